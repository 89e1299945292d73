// Deformed images. Random bytes of a field are made a vector of Philox calls at a time, smoothed along
// columns and rows, and the image is read by one gather a vector: four neighbours are one 32-bit number.

#include "core/augment.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "host/backend/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/backend/cpu/augment.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
//
#include "host/backend/cpu/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace softwarp::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Deforms images, for one thread. Rows have room for a vector beyond their end.
class Deformer {
  using F = hn::ScalableTag<float>;
  using U = hn::RebindToUnsigned<F>;
  using I = hn::RebindToSigned<F>;

 public:
  Deformer(const DatasetView& data, const Augmentation& augmentation)
      : data_(data),
        augmentation_(augmentation),
        height_(data.pixels / data.width),
        width_(data.width),
        gaussian_(augmentation.alpha > 0 ? gaussian_weights(augmentation.sigma) : GaussianWeights{}),
        field_(static_cast<int>(height_), static_cast<int>(width_), gaussian_.radius),
        stride_(rounded_up(width_) + lanes_of(F())),
        neighbours_(size_of((height_ + 2) * neighbour_stride() + lanes_of(F()))),
        padded_(size_of((height_ + 3) * (neighbour_stride() + 1) + 4 * lanes_of(F()))) {
    if (augmentation.alpha == 0) return;
    bytes_.resize(size_of(std::int64_t{field_.calls()} * FieldShape::kGroup + 16 * lanes_of(F())));
    for (auto* plane : {&dx_, &dy_}) plane->resize(size_of(rounded_up(height_) * stride_ + lanes_of(F())));
    floats_.resize(size_of((field_.rows + kRows) * float_stride()));
    smoothed_.resize(size_of((field_width() + kRows) * rounded_up(height_) + lanes_of(F())));
  }

  void run(std::uint64_t seed, std::int64_t epoch, std::int64_t image, float* row) {
    const AffineMap map = affine_map(augmentation_, seed, epoch, image, data_.labels[image],
                                     static_cast<int>(height_), static_cast<int>(width_));
    if (augmentation_.alpha > 0) {
      draw_field(seed, epoch, image);
      smooth(bytes_.data(), dx_.data());
      smooth(bytes_.data() + std::int64_t{field_.rows} * field_.pitch(), dy_.data());
    }
    take_neighbours(data_.images + image * data_.pixels);
    for (std::int64_t y = 0; y < height_; ++y) read_row(map, y, row + y * width_);
  }

 private:
  static constexpr std::int64_t kRows = 4;  // that are smoothed together
  static std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }
  std::int64_t field_width() const { return width_ + std::int64_t{2} * gaussian_.radius; }
  static std::int64_t rounded_up(std::int64_t n) { return (n + kRows - 1) / kRows * kRows; }
  std::int64_t neighbour_stride() const { return width_ + 2; }
  std::int64_t float_stride() const { return field_.pitch() + lanes_of(F()); }

  // As random_words(), a call for each lane of 64 bits (Philox 4x32-10, Salmon et al., SC'11). A word is the
  // lane's lower half, and what is above it is never read: a product's lower half stays where it is.
  void draw_field(std::uint64_t seed, std::int64_t epoch, std::int64_t image) {
#if HWY_TARGET == HWY_SCALAR
    for (int call = 0; call < field_.calls(); ++call) {
      const RandomWords words = random_words(seed, RandomPurpose::elastic, 0,
                                             static_cast<std::uint32_t>(epoch), field_index(image, call));
      std::memcpy(bytes_.data() + std::ptrdiff_t{call} * 16, words.v, sizeof words.v);
    }
#else
    const hn::ScalableTag<std::uint64_t> w;
    const hn::Repartition<std::uint32_t, decltype(w)> u;
    using W = hn::Vec<decltype(w)>;
    const auto product = [&](W x, std::uint32_t multiplier) {
      return hn::MulEven(hn::BitCast(u, x), hn::Set(u, multiplier));
    };
    const auto lanes = static_cast<int>(hn::Lanes(w));
    W calls = hn::Iota(w, 0);
    for (int call = 0; call < field_.calls(); call += lanes) {
      W x0 = calls, x1 = hn::Set(w, field_index(image, 0) >> 32);
      W x2 = hn::Set(w, std::uint64_t{static_cast<std::uint32_t>(epoch)});
      W x3 = hn::Set(w, std::uint64_t{static_cast<std::uint32_t>(RandomPurpose::elastic) << 24});
      calls = hn::Add(calls, hn::Set(w, static_cast<std::uint64_t>(lanes)));
      auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
      for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        const W product0 = product(x0, 0xD2511F53u), product1 = product(x2, 0xCD9E8D57u);
        x0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), x1), hn::Set(w, std::uint64_t{key0}));
        x2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), x3), hn::Set(w, std::uint64_t{key1}));
        x1 = product1, x3 = product0;
      }
      const W low = hn::Set(w, std::uint64_t{0xffffffff});
      hn::StoreInterleaved2(hn::Or(hn::And(x0, low), hn::ShiftLeft<32>(x1)),
                            hn::Or(hn::And(x2, low), hn::ShiftLeft<32>(x3)), w,
                            reinterpret_cast<std::uint64_t*>(bytes_.data() + std::ptrdiff_t{call} * 16));
    }
#endif
  }

  void smooth(const std::uint8_t* bytes, float* plane) {
    const F d;
    const hn::Rebind<std::int32_t, F> wide;
    const hn::Rebind<std::uint8_t, F> narrow;
    for (std::int64_t r = 0; r < field_.rows; ++r)
      for (std::int64_t j = 0; j < field_.pitch(); j += lanes_of(d))
        hn::StoreU(hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, bytes + r * field_.pitch() + j))),
                   d, floats_.data() + r * float_stride() + j);
    smooth_columns(floats_.data(), float_stride(), height_, field_width(), smoothed_.data(),
                   rounded_up(height_));
    smooth_columns(smoothed_.data(), rounded_up(height_), width_, height_, plane, stride_);
    const auto scale = hn::Set(d, augmentation_.alpha * kFieldScale), middle = hn::Set(d, kFieldMiddle);
    for (std::int64_t i = 0; i < height_ * stride_; i += lanes_of(d))
      hn::StoreU(hn::Mul(scale, hn::Sub(hn::LoadU(d, plane + i), middle)), d, plane + i);
  }

  // Smooths [rows + 2 radius, cols] along its columns and writes the result transposed, [cols, rows]. Four
  // rows are made at a time: their windows overlap, so that a tap of all four costs two loads.
  void smooth_columns(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t cols,
                      float* to, std::int64_t to_stride) {
    const F d;
    const auto row = [&](std::int64_t r, std::int64_t j) { return hn::LoadU(d, from + r * from_stride + j); };
    for (std::int64_t y = 0; y < rows; y += kRows)
      for (std::int64_t j = 0; j < cols; j += lanes_of(d)) {
        const std::int64_t at = y + gaussian_.radius;
        auto up0 = row(at, j), up1 = row(at + 1, j), up2 = row(at + 2, j), up3 = row(at + 3, j);
        auto down0 = up0, down1 = up1, down2 = up2, down3 = up3;
        auto weight = hn::Set(d, gaussian_.weight[0]);
        auto sum0 = hn::Mul(weight, up0), sum1 = hn::Mul(weight, up1);
        auto sum2 = hn::Mul(weight, up2), sum3 = hn::Mul(weight, up3);
        for (int k = 1; k <= gaussian_.radius; ++k) {
          up3 = up2, up2 = up1, up1 = up0, up0 = row(at - k, j);
          down0 = down1, down1 = down2, down2 = down3, down3 = row(at + 3 + k, j);
          weight = hn::Set(d, gaussian_.weight[k]);
          sum0 = hn::MulAdd(weight, hn::Add(up0, down0), sum0);
          sum1 = hn::MulAdd(weight, hn::Add(up1, down1), sum1);
          sum2 = hn::MulAdd(weight, hn::Add(up2, down2), sum2);
          sum3 = hn::MulAdd(weight, hn::Add(up3, down3), sum3);
        }
        HWY_ALIGN float transposed[kRows * hn::MaxLanes(F())];
        hn::StoreInterleaved4(sum0, sum1, sum2, sum3, d, transposed);
        const std::int64_t count = std::min(lanes_of(d), cols - j);
        for (std::int64_t i = 0; i < count; ++i)
          std::memcpy(to + (j + i) * to_stride + y, transposed + i * kRows, kRows * sizeof(float));
      }
  }

  // For each place of an upper left neighbour, the image's border included: the four bytes there, to the
  // right, below, and below to the right.
  void take_neighbours(const std::uint8_t* image) {
    const U u;
    const hn::Rebind<std::uint8_t, U> narrow;
    const std::int64_t stride = neighbour_stride() + 1, lanes = lanes_of(F());
    for (std::int64_t y = 0; y < height_; ++y)
      std::memcpy(padded_.data() + (y + 1) * stride + 1, image + y * width_,
                  static_cast<std::size_t>(width_));
    const auto bytes = [&](const std::uint8_t* at) { return hn::PromoteTo(u, hn::LoadU(narrow, at)); };
    for (std::int64_t y = 0; y < height_ + 2; ++y)
      for (std::int64_t j = 0; j < neighbour_stride(); j += lanes) {
        const std::uint8_t* const at = padded_.data() + y * stride + j;
        const auto upper = hn::Or(bytes(at), hn::ShiftLeft<8>(bytes(at + 1)));
        const auto lower = hn::Or(bytes(at + stride), hn::ShiftLeft<8>(bytes(at + stride + 1)));
        hn::StoreU(hn::Or(upper, hn::ShiftLeft<16>(lower)), u,
                   neighbours_.data() + y * neighbour_stride() + j);
      }
  }

  void read_row(const AffineMap& map, std::int64_t y, float* to) {
    const F d;
    const U u;
    const I i;
    const std::int64_t lanes = lanes_of(d);
    const float dy = static_cast<float>(y) - static_cast<float>(height_ - 1) / 2;
    const float middle = static_cast<float>(width_ - 1) / 2;
    const auto byte = [&](hn::Vec<U> four) { return hn::ConvertTo(d, hn::BitCast(i, four)); };
    for (std::int64_t j = 0; j < width_; j += lanes) {
      const auto dx = hn::Sub(hn::Iota(d, static_cast<float>(j)), hn::Set(d, middle));
      auto sx = hn::MulAdd(hn::Set(d, map.xx), dx, hn::Set(d, map.xy * dy + map.x0));
      auto sy = hn::MulAdd(hn::Set(d, map.yx), dx, hn::Set(d, map.yy * dy + map.y0));
      if (augmentation_.alpha > 0) {
        sx = hn::Add(sx, hn::LoadU(d, dx_.data() + y * stride_ + j));
        sy = hn::Add(sy, hn::LoadU(d, dy_.data() + y * stride_ + j));
      }
      const auto below_zero = hn::Set(d, -1.0f);
      sx = hn::Min(hn::Max(sx, below_zero), hn::Set(d, static_cast<float>(width_)));
      sy = hn::Min(hn::Max(sy, below_zero), hn::Set(d, static_cast<float>(height_)));
      const auto left = hn::Floor(sx), top = hn::Floor(sy);
      const auto fx = hn::Sub(sx, left), fy = hn::Sub(sy, top);
      const auto place =
          hn::MulAdd(hn::Add(top, hn::Set(d, 1.0f)), hn::Set(d, static_cast<float>(neighbour_stride())),
                     hn::Add(left, hn::Set(d, 1.0f)));
      const auto four = hn::GatherIndex(u, neighbours_.data(), hn::ConvertTo(i, place));
      const auto low = hn::Set(u, 255u);
      const auto a = byte(hn::And(four, low)), b = byte(hn::And(hn::ShiftRight<8>(four), low));
      const auto c = byte(hn::And(hn::ShiftRight<16>(four), low)), e = byte(hn::ShiftRight<24>(four));
      const auto upper = hn::MulAdd(fx, hn::Sub(b, a), a), lower = hn::MulAdd(fx, hn::Sub(e, c), c);
      const auto value = hn::MulAdd(fy, hn::Sub(lower, upper), upper);
      store_partial(d, hn::Mul(value, hn::Set(d, data_.scale)), to + j, width_ - j);
    }
  }

  const DatasetView& data_;
  const Augmentation& augmentation_;
  std::int64_t height_;
  std::int64_t width_;
  GaussianWeights gaussian_;
  FieldShape field_;
  std::int64_t stride_;
  std::vector<std::uint32_t> neighbours_;  // [height + 2, width + 2]
  std::vector<std::uint8_t> padded_;       // [height + 3, width + 3], its border 0
  std::vector<std::uint8_t> bytes_;        // [2, field rows, pitch]
  std::vector<float> floats_;              // [field rows, pitch] of one plane
  std::vector<float> smoothed_;            // [field cols, height] of it, smoothed along its columns
  std::vector<float> dx_, dy_;             // [height, width], displacements
};

void Augment(const DatasetView& data, const std::int32_t* order, const TrainingState& state,
             const Augmentation& augmentation, MatrixView<float> batch, std::int32_t* targets) {
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  std::vector<Deformer> deformers;
  deformers.reserve(threads);
  while (deformers.size() < threads) deformers.emplace_back(data, augmentation);
#pragma omp parallel for schedule(static) if (batch.rows > 16)
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    const std::int64_t sample = order != nullptr ? order[state.position + r] : state.position + r;
    targets[r] = data.labels[sample];
    deformers[static_cast<std::size_t>(omp_get_thread_num())].run(state.seed, state.epoch, sample,
                                                                  batch.row(r));
  }
}

}  // namespace softwarp::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace softwarp::cpu {

HWY_EXPORT(Augment);

void augment_batch(const DatasetView& data, const std::int32_t* order, const TrainingState& state,
                   const Augmentation& augmentation, MatrixView<float> batch, std::int32_t* targets) {
  HWY_DYNAMIC_DISPATCH(Augment)(data, order, state, augmentation, batch, targets);
}

}  // namespace softwarp::cpu
#endif  // HWY_ONCE
