// `softwarp completion SHELL`: what the shell may offer, read off the subcommands and flags that there are.

#include <fmt/format.h>

#include <array>
#include <utility>

#include "host/program/commands.h"
#include "host/program/options.h"
#include "host/program/output.h"

namespace softwarp::program {
namespace {

struct Values {
  enum class Kind { none, text, words, files, directories } kind = Kind::none;
  std::vector<std::string> words = {};  // also beside directories
};

struct Flag {
  std::vector<std::string> names;  // with their dashes
  std::string help;
  Values values;
};

struct Command {
  std::string name;  // of the program itself: empty
  std::string help;
  std::vector<Flag> flags = {};
  Values positional = {};
};

// By what the help says in place of a value: NAME:{a,b}, or a type of options.h.
Values values_of(const CLI::Option& option) {
  using Kind = Values::Kind;
  if (option.get_items_expected_max() == 0) return {};
  const std::string type = option.get_type_name();
  if (const auto open = type.find('{'); open != std::string::npos) {
    const auto words = type.substr(open + 1, type.find('}', open) - open - 1);
    return {Kind::words, CLI::detail::split(words, ',')};
  }
  if (type == kDataType) return {Kind::directories, {"mnist", "fashion-mnist", "digits"}};
  if (type == kDirectoryType) return {Kind::directories};
  if (type == kFileType || type == kModelType) return {Kind::files};
  return {Kind::text};
}

void add_flags(const CLI::App& app, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) command.positional = values_of(*option);
    if (!option->nonpositional()) continue;
    Flag flag{.names = {}, .help = option->get_description(), .values = values_of(*option)};
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    command.flags.push_back(std::move(flag));
  }
}

// The program itself comes first.
std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands{{.name = "", .help = app.get_description()}};
  add_flags(app, commands[0]);
  for (const CLI::App* each : app.get_subcommands(nullptr)) {
    Command command{.name = each->get_name(), .help = each->get_description()};
    add_flags(*each, command);
    if (each->get_fallthrough())
      for (const Flag& flag : commands[0].flags)
        if (flag.names[0] == "--config") command.flags.push_back(flag);
    commands.push_back(std::move(command));
  }
  return commands;
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  return fmt::format("{}", fmt::join(words, between));
}

std::vector<std::string> names_of(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < commands.size(); ++i) names.push_back(commands[i].name);
  return names;
}

std::string escaped(const std::string& text, const std::string& special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

// For bash and zsh.
std::string shell_quoted(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return "'" + result + "'";
}

// --- bash ---------------------------------------------------------------------------------------------

std::string bash_offer(const Values& values) {
  switch (values.kind) {
    case Values::Kind::words: return fmt::format("_softwarp_offer -W '{}'", joined(values.words));
    case Values::Kind::files: return "compopt -o filenames; _softwarp_offer -f";
    case Values::Kind::directories:
      return "compopt -o filenames; _softwarp_offer -d" +
             (values.words.empty() ? "" : fmt::format(" -W '{}'", joined(values.words)));
    default: return ":";
  }
}

std::string bash(const std::vector<Command>& commands) {
  std::string text = R"(# bash completion of softwarp: source <(softwarp completion bash)
_softwarp_offer() { mapfile -t COMPREPLY < <(compgen "$@" -- "$current"); }

_softwarp() {
  local command='' i current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # --flag=value comes as three words.
  if [[ $current == = ]]; then
    current=''
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
)";
  text +=
      fmt::format("      {}) command=${{COMP_WORDS[i]}} && break ;;\n", joined(names_of(commands), " | "));
  text += R"(    esac
  done
  COMPREPLY=()
  case "$command $previous" in
)";
  for (const Command& command : commands)
    for (const Flag& flag : command.flags)
      if (flag.values.kind != Values::Kind::none)
        for (const std::string& name : flag.names)
          text += fmt::format("    '{} {}') {}; return ;;\n", command.name, name, bash_offer(flag.values));
  text += "  esac\n  case \"$command $current\" in\n";
  for (const Command& command : commands) {
    std::vector<std::string> names;
    for (const Flag& flag : command.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
    text += fmt::format("    '{} -'*) _softwarp_offer -W '{}' ;;\n", command.name, joined(names));
    const Values positional =
        command.name.empty() ? Values{Values::Kind::words, names_of(commands)} : command.positional;
    text += fmt::format("    '{} '*) {} ;;\n", command.name, bash_offer(positional));
  }
  return text + "  esac\n}\ncomplete -F _softwarp softwarp\n";
}

// --- zsh ----------------------------------------------------------------------------------------------

std::string zsh_text(const std::string& text) { return escaped(text, "\\[]:"); }

std::string zsh_action(const Values& values) {
  switch (values.kind) {
    case Values::Kind::words: return fmt::format("({})", joined(values.words));
    case Values::Kind::files: return "_files";
    case Values::Kind::directories:
      return values.words.empty() ? "_files -/"
                                  : fmt::format("{{compadd {}; _files -/}}", joined(values.words));
    default: return "";
  }
}

// The flags as _arguments of zsh reads them. One with a value may come again: the last one counts.
std::string zsh_specs(const Command& command) {
  std::string specs;
  for (const Flag& flag : command.flags) {
    const bool alone = flag.values.kind == Values::Kind::none;
    for (const std::string& name : flag.names) {
      std::string spec = alone ? name : fmt::format("*{}{}", name, name.starts_with("--") ? "=" : "");
      spec += fmt::format("[{}]", zsh_text(flag.help));
      if (!alone) spec += ":value:" + zsh_action(flag.values);
      specs += " \\\n    " + shell_quoted(spec);
    }
  }
  return specs;
}

std::string zsh(const std::vector<Command>& commands) {
  std::string list, cases;
  for (std::size_t i = 1; i < commands.size(); ++i) {
    const Command& command = commands[i];
    list += "\n    " + shell_quoted(command.name + ":" + zsh_text(command.help));
    cases += fmt::format("  {}) _arguments{}", command.name, zsh_specs(command));
    if (command.positional.kind != Values::Kind::none)
      cases += " \\\n    " + shell_quoted("*:argument:" + zsh_action(command.positional));
    cases += " ;;\n";
  }
  // The last lines serve both ways of loading it: as a function that zsh finds in its fpath, and by source.
  return fmt::format(R"(#compdef softwarp
# zsh completion of softwarp: source <(softwarp completion zsh)
_softwarp() {{
  local curcontext=$curcontext state line
  local -a commands=({}
  )
  _arguments -C{} \
    '1:command:{{_describe command commands}}' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  case $words[1] in
{}  esac
}}
if [[ $funcstack[1] == _softwarp ]]; then _softwarp "$@"; else compdef _softwarp softwarp; fi
)",
                     list, zsh_specs(commands[0]), cases);
}

// --- fish ---------------------------------------------------------------------------------------------

std::string fish_quoted(const std::string& text) { return "'" + escaped(text, "\\'") + "'"; }

std::string fish_offer(const Values& values) {
  switch (values.kind) {
    case Values::Kind::none: return "";
    case Values::Kind::words: return " -x -a " + fish_quoted(joined(values.words));
    case Values::Kind::files: return " -r -F";
    case Values::Kind::directories:
      return " -x -a " + fish_quoted(joined(values.words) + " (__fish_complete_directories)");
    default: return " -x";
  }
}

std::string fish(const std::vector<Command>& commands) {
  std::string text = fmt::format(R"(# fish completion of softwarp: softwarp completion fish | source
function __softwarp_command
  for word in (commandline -opc)[2..]
    contains -- $word {} && echo $word && return
  end
  return 1
end
complete -c softwarp -f
)",
                                 joined(names_of(commands)));
  const std::string at_first = "complete -c softwarp -n 'not __softwarp_command >/dev/null'";
  for (const Command& command : commands) {
    const std::string at =
        command.name.empty()
            ? at_first
            : fmt::format("complete -c softwarp -n 'contains {} (__softwarp_command)'", command.name);
    if (!command.name.empty())
      text += fmt::format("{} -a {} -d {}\n", at_first, command.name, fish_quoted(command.help));
    for (const Flag& flag : command.flags) {
      text += at;
      for (const std::string& name : flag.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      text += fmt::format("{} -d {}\n", fish_offer(flag.values), fish_quoted(flag.help));
    }
    if (command.positional.kind == Values::Kind::files) text += at + " -F\n";
    if (command.positional.kind == Values::Kind::directories)
      text += at + fish_offer(command.positional) + "\n";
    if (command.positional.kind == Values::Kind::words)
      text += fmt::format("{} -a {}\n", at, fish_quoted(joined(command.positional.words)));
  }
  return text;
}

using Writer = std::string (*)(const std::vector<Command>&);
constexpr std::array<std::pair<const char*, Writer>, 3> kShells{
    {{"bash", bash}, {"zsh", zsh}, {"fish", fish}}};

}  // namespace

void add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Write what a shell needs to complete this program's flags");
  std::vector<std::string> names;
  names.reserve(kShells.size());
  for (const auto& [name, write] : kShells) names.emplace_back(name);
  command->add_option("shell", *shell, "As in: source <(softwarp completion bash)")
      ->required()
      ->check(one_of(names));
  tidy_help(*command);
  command->callback([&app, shell] {
    for (const auto& [name, write] : kShells)
      if (*shell == name) say("{}", write(commands_of(app)));
  });
}

}  // namespace softwarp::program
