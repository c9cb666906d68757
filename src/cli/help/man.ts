import { version } from "../../domain/version.js"
import { examples } from "./examples.js"
import { everywhere, usageOf } from "./text.js"
import { all, type Entry, type Node } from "./tree.js"

/** A page of the manual, in the macros of man(7): every command, with its arguments, flags and examples. */
export const manOf = (tree: Node): string => {
  const commands = all(tree).slice(1)
  return [
    `.TH QUORATE 1 "" "Quorate ${version}" "Quorate"`,
    ".SH NAME",
    `quorate \\- ${escaped(tree.description)}`,
    ".SH SYNOPSIS",
    `.B ${escaped(usageOf(tree))}`,
    ".SH FLAGS OF EVERY COMMAND",
    ...everywhere.flatMap(entry),
    ".SH FLAGS OF COMMANDS THAT READ A DATABASE",
    ...tree.flags.flatMap(entry),
    ".SH COMMANDS",
    ...commands.flatMap(section),
    ".SH ENVIRONMENT",
    ...entry({ name: "QUORATE_URL", value: "", description: "The daemon that commands ask, unless --url is given." }),
    ...entry({ name: "QUORATE_API_KEY", value: "", description: "The key that is shown to it." }),
    ...entry({ name: "QUORATE_*", value: "", description: "Every flag of serve, in upper snake case." }),
    ...entry({ name: "NO_COLOR", value: "", description: "No colours, also on a terminal." }),
    ".SH EXIT STATUS",
    "0 when it was done, 1 when it was not, 2 when the command line or the configuration is wrong.",
    ""
  ].join("\n")
}

const section = (node: Node): ReadonlyArray<string> => [
  `.SS ${escaped(usageOf(node))}`,
  line(node.description),
  ...node.arguments.flatMap(entry),
  ...node.flags.flatMap(entry),
  ...(examples[node.path.join(" ")] ?? []).flatMap((example) => [".PP", ".EX", line(example), ".EE"])
]

const entry = ({ description, name, value }: Entry): ReadonlyArray<string> => [
  ".TP",
  `.B ${escaped(name)}${value === "" ? "" : ` <${escaped(value)}>`}`,
  line(description === "" ? name : description)
]

/** A text of a line of its own: one that begins as an order does is none. */
const line = (text: string): string => escaped(text).replace(/^(?=[.'])/, "\\&")

const escaped = (text: string): string => text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ")
