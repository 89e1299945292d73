#pragma once

/// @file
/// Random deformation of training images, after Simard, Steinkraus & Platt, "Best Practices for Convolutional
/// Neural Networks Applied to Visual Document Analysis" (ICDAR 2003), and Ciresan et al., arXiv:1003.0358.

#include <cstdint>

namespace softwarp {

/// A range from which a number is drawn uniformly.
struct UniformInterval {
  float least = 0;  ///< included
  float most = 0;   ///< not below least

  /// Compares both ends.
  bool operator==(const UniformInterval&) const = default;
};

/// The deformation of an image, drawn anew for each image of each epoch: a function of seed, epoch and the
/// image's index alone. The pixel at p is read bilinearly at the source position
///
///   c + F S⁻¹ H⁻¹ R⁻¹ (p - c - t) + d(p),
///
/// c being the image's centre; beyond the image there is 0. R rotates, H shears, S scales, t translates, F
/// mirrors left and right or does nothing, and d is the elastic displacement: alpha times a field of numbers
/// that are uniform in (-1, 1), one for each pixel and axis, smoothed by a Gaussian of deviation sigma whose
/// weights add up to 1. The field goes on beyond the image's border, so that it does not fade there. The
/// defaults leave every image as it is.
struct Augmentation {
  UniformInterval degrees{};    ///< rotation, clockwise where rows go down
  UniformInterval shear{};      ///< degrees: x += tan(shear) y
  UniformInterval scale{1, 1};  ///< of each axis on its own; above 0
  UniformInterval translate{};  ///< pixels, along each axis on its own
  float flip = 0;               ///< chance that an image is mirrored, left to right; in [0, 1]
  float alpha = 0;         ///< pixels: what the smoothed field is multiplied by; 0: no elastic deformation
  float sigma = 5;         ///< pixels: deviation of the Gaussian, in (0, 10], cut off at 3 sigma
  std::uint64_t half = 0;  ///< bit k: rotation and shear of images labelled k are halved, as of 1 and 7

  /// Compares all of it.
  bool operator==(const Augmentation&) const = default;
};

}  // namespace softwarp
