// All that is random in a training, as it is drawn there, and that no two of it are the same numbers.

#include <gtest/gtest.h>
#include <softwarp/dataset.h>

#include <string>

#include "tests/backends.h"
#include "tests/training/reference_network.h"

namespace softwarp {
namespace {

struct Bits {
  std::string name;
  std::vector<bool> values;
};

// Independent bits agree in half of their places: within six standard deviations, sqrt(1/4 / places) each.
void expect_pairwise_independent(const std::vector<Bits>& all) {
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const std::vector<bool>&a = all[i].values, &b = all[j].values;
      ASSERT_EQ(a.size(), b.size());
      int same = 0;
      for (std::size_t k = 0; k < a.size(); ++k) same += a[k] == b[k];
      const auto places = static_cast<double>(a.size());
      EXPECT_NEAR(same / places, 0.5, 6 * std::sqrt(0.25 / places)) << all[i].name << " and " << all[j].name;
    }
}

const MlpShape kWide{128, {128, 128, 128}, 128, Activation::tanh};

// The masks of a network that trains on one image. A dropped input of a layer is one whose column of the
// weights' gradient, dz h, is zero.
std::vector<Bits> observed_masks(Backend& backend, std::uint64_t seed, std::int64_t step) {
  Mlp mlp(backend, kWide);
  mlp.set_values(random_values(mlp.layout().size, 1, 0.1f));
  MlpWorkspace workspace(mlp, 1, /*trains=*/true, {.input = 0.5f, .hidden = 0.5f});
  backend.upload<float>(Floats(128, 1.0f), workspace.input().data);
  const auto targets = upload(backend, std::vector<std::int32_t>{0});
  const auto state = upload(backend, std::vector{TrainingState{.seed = seed, .step = step}});
  const auto sums = backend.make_array<CrossEntropySums>(1);
  const auto gradients = backend.make_array<float>(mlp.layout().size);
  workspace.forward(state.data());
  backend.softmax_cross_entropy(workspace.logits(), targets.data(), {}, nullptr, workspace.logits(),
                                sums.data());
  workspace.backward(gradients.data(), state.data());
  const Floats values = download(backend, gradients.data(), mlp.layout().size);

  std::vector<Bits> masks;
  for (std::int64_t i = 0; i < kWide.layers(); ++i) {
    const ParameterTensor& weight = mlp.layout().weight(i);
    Bits bits{
        .name = (testing::Message() << "layer " << i << " seed " << seed << " step " << step).GetString(),
        .values = std::vector<bool>(static_cast<std::size_t>(weight.cols))};
    for (std::int64_t k = 0; k < weight.size(); ++k)
      if (values[static_cast<std::size_t>(weight.offset + k)] != 0)
        bits.values[static_cast<std::size_t>(k % weight.cols)] = true;
    masks.push_back(std::move(bits));
  }
  return masks;
}

TEST(RandomStreams, OfDropoutAreOthersInEveryLayerStepAndSeed) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    std::vector<Bits> all;
    for (const auto& [seed, step] : {std::pair<std::uint64_t, std::int64_t>{1, 0},
                                     {1, 1},
                                     {1, 2},
                                     {1, 256},
                                     {1, 65536},
                                     {2, 0},
                                     {2, 1},
                                     {(std::uint64_t{1} << 32) + 1, 0}}) {
      const Masks defined = defined_masks(kWide, 1, {.input = 0.5f, .hidden = 0.5f}, seed, step);
      for (Bits& mask : observed_masks(*backend, seed, step)) {
        const Doubles& expected = defined[all.size() % defined.size()];
        EXPECT_EQ(mask.values, std::vector<bool>(expected.begin(), expected.end())) << mask.name;
        all.push_back(std::move(mask));
      }
    }
    all.push_back({"nothing dropped", std::vector<bool>(128, true)});
    expect_pairwise_independent(all);
  }
}

constexpr std::int64_t kDraws = 2000;

// The highest bit of the first word of draw i, for each i, as each user of random words shows it.
template <class IsSet>
Bits first_bits(const std::string& name, IsSet is_set) {
  Bits bits{.name = name, .values = {}};
  for (std::int64_t i = 0; i < kDraws; ++i) bits.values.push_back(is_set(i));
  return bits;
}

// The larger half of the keys comes last.
Bits bits_of_order(Backend& backend, std::uint64_t seed, std::int64_t epoch) {
  const auto order = backend.make_array<std::int32_t>(kDraws);
  backend.permutation(seed, epoch, order.data(), kDraws);
  const auto images = download(backend, order.data(), kDraws);
  std::vector<bool> last(kDraws);
  for (std::size_t place = kDraws / 2; place < kDraws; ++place)
    last[static_cast<std::size_t>(images[place])] = true;
  return first_bits("order of epoch " + std::to_string(epoch),
                    [&](std::int64_t i) { return last[static_cast<std::size_t>(i)]; });
}

// The larger half of the keys is trained on. Image i is i in two bytes.
Bits bits_of_split(std::uint64_t seed) {
  Dataset data{.name = "numbered",
               .images = {},
               .labels = std::vector<std::uint8_t>(kDraws),
               .count = kDraws,
               .height = 1,
               .width = 2,
               .classes = 2};
  for (std::int64_t i = 0; i < kDraws; ++i)
    for (const std::int64_t byte : {i % 256, i / 256}) data.images.push_back(static_cast<std::uint8_t>(byte));
  const Dataset train = split(data, 0.5, seed).first;
  std::vector<bool> trained(kDraws);
  for (std::size_t i = 0; i < train.images.size(); i += 2)
    trained[train.images[i] + 256u * train.images[i + 1]] = true;
  return first_bits("split", [&](std::int64_t i) { return trained[static_cast<std::size_t>(i)]; });
}

// Four neighbours are one draw's four words.
Bits bits_of_weights(Backend& backend, std::uint64_t seed, std::int64_t layer, std::int64_t word = 0) {
  Mlp mlp(backend, {.inputs = 4, .hidden = {kDraws}, .classes = 4});
  mlp.initialize(Initialization::uniform, seed);
  const auto values = mlp.values();
  const std::int64_t offset = mlp.layout().weight(layer).offset;
  return first_bits(
      "weights of layer " + std::to_string(layer) + ", word " + std::to_string(word),
      [&](std::int64_t i) { return values[static_cast<std::size_t>(offset + 4 * i + word)] >= 0; });
}

// Eight neighbours are one draw's eight halves of words, the lower half of each word first.
Bits bits_of_dropout(Backend& backend, std::uint64_t seed, std::int64_t step, std::int32_t layer) {
  const auto values = upload(backend, Floats(8 * kDraws, 1.0f));
  const auto state = upload(backend, std::vector{TrainingState{.seed = seed, .step = step}});
  const auto view = matrix_view(values.data(), 1, 8 * kDraws);
  backend.dropout(view, 0.5f, layer, state.data(), view);
  const Floats dropped = download(backend, values.data(), 8 * kDraws);
  return first_bits("dropout of layer " + std::to_string(layer) + " in step " + std::to_string(step),
                    [&](std::int64_t i) { return dropped[static_cast<std::size_t>(8 * i + 1)] != 0; });
}

// Were two drawn for one purpose, in one stream and one step, these bits would be the same.
TEST(RandomStreams, OfAllPurposesAreIndependent) {
  for (const auto& backend : make_backends()) {
    SCOPED_TRACE(backend->name());
    std::vector<Bits> all;
    all.push_back(bits_of_split(9));
    for (const std::int64_t epoch : {0, 1, 2}) all.push_back(bits_of_order(*backend, 9, epoch));
    for (const std::int64_t layer : {0, 1})
      for (const std::int64_t word : {0, 1, 2, 3}) all.push_back(bits_of_weights(*backend, 9, layer, word));
    for (const std::int64_t step : {0, 1})
      for (const std::int32_t layer : {0, 1, 2}) all.push_back(bits_of_dropout(*backend, 9, step, layer));
    expect_pairwise_independent(all);
    // They show what they are said to.
    const auto defined = [](RandomPurpose purpose, std::uint32_t stream, std::uint32_t step) {
      return first_bits("", [&](std::int64_t i) {
        return random_words(9, purpose, stream, step, static_cast<std::uint64_t>(i))[0] >> 31 != 0;
      });
    };
    EXPECT_EQ(bits_of_weights(*backend, 9, 1).values, defined(RandomPurpose::initial_weights, 2, 0).values);
    EXPECT_EQ(bits_of_dropout(*backend, 9, 1, 2).values, defined(RandomPurpose::dropout, 2, 1).values);
  }
}

}  // namespace
}  // namespace softwarp
