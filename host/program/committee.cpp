#include "host/program/committee.h"

#include <fmt/format.h>
#include <softwarp/error.h>

#include <algorithm>
#include <span>

#include "host/model/model_file.h"
#include "host/program/class_names.h"
#include "host/program/options.h"

namespace softwarp::program {
namespace {

using Member = Committee::Member;

[[noreturn]] void refuse(const Member& member, const Member& before, const std::string& expected,
                         const std::string& found) {
  throw Error(fmt::format("{}: expected {}, as {} has, found {} (models of a committee must agree)",
                          member.path.string(), expected, before.path.string(), found));
}

std::string size_of(const Model& model) {
  if (is_foreign(model)) return fmt::format("images of {} pixels", model.shape.inputs);
  return fmt::format("images of {}x{} pixels", model.input.height, model.input.width);
}

void expect_alike(const Member& member, const Member& before) {
  const Model &a = before.model, &b = member.model;
  if (a.shape.classes != b.shape.classes)
    refuse(member, before, fmt::format("{} classes", a.shape.classes), fmt::format("{}", b.shape.classes));
  const bool both_known = !is_foreign(a) && !is_foreign(b);
  if (a.shape.inputs != b.shape.inputs ||
      (both_known && (a.input.height != b.input.height || a.input.width != b.input.width)))
    refuse(member, before, size_of(a), size_of(b));
  if (both_known && a.input.max_pixel != b.input.max_pixel)
    refuse(member, before, fmt::format("pixels 0 to {}", a.input.max_pixel),
           fmt::format("0 to {}", b.input.max_pixel));
}

// By its parameters: one model may have several paths.
void expect_new(const Member& member, std::span<const Member> before) {
  for (const Member& other : before)
    if (member.model.shape == other.model.shape && member.model.values == other.model.values)
      throw Error(fmt::format("{}: expected each model once, found the parameters of {} again",
                              member.path.string(), other.path.string()));
}

}  // namespace

CLI::Option* add_models(CLI::App& command, const std::string& name, std::vector<std::string>& models) {
  return command
      .add_option(name, models,
                  "A training's directory, or a model.safetensors; the probabilities of several are averaged")
      ->type_name(kModelType)
      ->default_str("the newest softwarp-run");
}

Committee open_committee(std::vector<std::string> models, const ForeignOptions& options) {
  if (models.empty()) models.emplace_back();
  Committee committee;
  for (const std::string& model : models) committee.members.push_back({model, model_path(model), {}});
  std::vector<Member>& members = committee.members;
  const auto is_known = [](const Member& member) { return !is_foreign(member.model); };

  for (Member& member : members) member.model = read_any_model(member.path, options);
  const bool all_known = std::ranges::all_of(members, is_known);
  for (Member& member : members) {
    if (all_known) expect_no_contradiction(member.path, member.model, options);
    complete(member.path, member.model, options);
  }
  const auto known = std::ranges::find_if(members, is_known);
  if (known != members.end()) committee.first_known = static_cast<std::size_t>(known - members.begin());

  for (std::size_t i = 1; i < members.size(); ++i) {
    expect_alike(members[i], members[i <= committee.first_known ? 0 : committee.first_known]);
    expect_new(members[i], std::span(members).first(i));
  }
  return committee;
}

Dataset load_for(Committee& committee, const std::string& name, const std::string& part, int max_pixel) {
  Member& known = committee.known();
  Dataset data = load_for(known.path, known.model, name, part, max_pixel);
  for (Member& member : committee.members)
    if (&member != &known) share_data(member.path, member.model, data, part);
  return data;
}

void expect_one_framing(const Committee& committee) {
  const Member& known = committee.known();
  const Framing& expected = known.model.input.framing;
  for (const Member& member : committee.members)
    if (const Framing& found = member.model.input.framing; !is_foreign(member.model) && found != expected)
      refuse(member, known, fmt::format("the framing {}", text_of(expected)), text_of(found));
}

void assume_square(Committee& committee) {
  if (!is_foreign(committee.known().model)) return;
  for (Member& member : committee.members) assume_square(member.path, member.model);
}

std::vector<std::string> class_names_for(const Committee& committee, const std::string& file,
                                         const Dataset& data) {
  const Member* named = &committee.known();
  for (const Member& member : committee.members) {
    const auto &names = named->model.input.class_names, &others = member.model.input.class_names;
    if (names.empty()) named = &member;
    if (!file.empty() || names.empty() || others.empty() || names == others) continue;
    const auto c = static_cast<std::size_t>(std::ranges::mismatch(names, others).in1 - names.begin());
    throw Error(fmt::format("{}: expected class {}, as {} has, found {} (--class-names names those of all)",
                            member.path.string(), class_text(names, static_cast<std::int64_t>(c)),
                            named->path.string(), others[c]));
  }
  return class_names_for(named->model, file, data);
}

}  // namespace softwarp::program
