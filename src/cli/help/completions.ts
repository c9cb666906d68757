import { everywhere } from "./text.js"
import { all, type Node } from "./tree.js"

/* What shells complete by: the commands below the words that are there, and the flags of the last of them. */

export const shells = ["sh", "bash", "zsh", "fish"] as const
type Shell = (typeof shells)[number]

export const isShell = (text: string): text is Shell => shells.some((shell) => shell === text)

export const completionsOf = (tree: Node, shell: Shell): string =>
  shell === "fish"
    ? ofFish(tree)
    : shell === "zsh"
    ? `autoload -U +X bashcompinit && bashcompinit\n${ofBash(tree)}`
    : ofBash(tree)

const wordsOf = (node: Node): string =>
  [
    ...node.commands.map(({ name }) => name),
    ...[...node.flags, ...everywhere].map(({ name }) => name).filter((name) => name.startsWith("--"))
  ].join(" ")

/** In words that a plain sh can read, too, where it does nothing. */
const ofBash = (tree: Node): string => {
  const cases = all(tree).map((node) => `    "${node.path.join(" ")}") words="${wordsOf(node)}" ;;`)
  const paths = all(tree).slice(1).map(({ path }) => `"${path.join(" ")}"`)
  return [
    "_quorate() {",
    "  path=''",
    "  at=1",
    "  while [ \"$at\" -lt \"$COMP_CWORD\" ]; do",
    "    eval 'word=${COMP_WORDS[$at]}'",
    "    case \"${path:+$path }$word\" in",
    `      ${paths.join("|")}) path="\${path:+$path }$word" ;;`,
    "    esac",
    "    at=$((at + 1))",
    "  done",
    "  case \"$path\" in",
    ...cases,
    "  esac",
    "  eval 'COMPREPLY=( $(compgen -W \"$words\" -- \"${COMP_WORDS[$COMP_CWORD]}\") )'",
    "}",
    "if command -v complete >/dev/null 2>&1; then complete -o default -F _quorate quorate; fi",
    ""
  ].join("\n")
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const ofFish = (tree: Node): string => {
  const nodes = all(tree)
  const paths = nodes.slice(1).map(({ path }) => quoted(path.join(" "))).join(" ")
  return [
    "function __quorate_at",
    "    set -l path",
    `    set -l paths ${paths}`,
    "    for word in (commandline -opc)[2..]",
    "        if contains -- (string join ' ' $path $word) $paths",
    "            set path $path $word",
    "        end",
    "    end",
    "    test (string join ' ' $path) = \"$argv[1]\"",
    "end",
    "complete -c quorate -f",
    ...nodes.flatMap((node) => {
      const here = `complete -c quorate -n ${quoted(`__quorate_at "${node.path.join(" ")}"`)}`
      return [
        ...node.commands.map(({ description, name }) => `${here} -a ${quoted(name)} -d ${quoted(description)}`),
        ...[...node.flags, ...everywhere].filter(({ name }) => name.startsWith("--")).map((
          { description, name, value }
        ) => `${here} -l ${name.slice(2)}${value === "" ? "" : " -r -F"} -d ${quoted(description)}`)
      ]
    }),
    ""
  ].join("\n")
}
