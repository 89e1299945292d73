#include "host/model/names.h"

#include <array>

namespace softwarp {
namespace {

template <class E, std::size_t n>
using Table = std::array<std::pair<std::string_view, E>, n>;

constexpr Table<Activation, 5> kActivations{{{"identity", Activation::identity},
                                             {"relu", Activation::relu},
                                             {"gelu", Activation::gelu},
                                             {"tanh", Activation::tanh},
                                             {"sigmoid", Activation::sigmoid}}};
constexpr Table<Initialization, 2> kInitializations{
    {{"kaiming", Initialization::kaiming}, {"uniform", Initialization::uniform}}};
constexpr Table<OptimizerKind, 2> kOptimizers{{{"sgd", OptimizerKind::sgd}, {"adamw", OptimizerKind::adamw}}};
constexpr Table<ScheduleKind, 4> kSchedules{{{"constant", ScheduleKind::constant},
                                             {"cosine", ScheduleKind::cosine},
                                             {"one-cycle", ScheduleKind::one_cycle},
                                             {"step", ScheduleKind::step}}};

}  // namespace

Names<Activation> names_of(Activation) { return kActivations; }
Names<Initialization> names_of(Initialization) { return kInitializations; }
Names<OptimizerKind> names_of(OptimizerKind) { return kOptimizers; }
Names<ScheduleKind> names_of(ScheduleKind) { return kSchedules; }
Names<CudaPrecision> names_of(CudaPrecision) { return kCudaPrecisions; }

}  // namespace softwarp
