import stringWidth from "string-width"
import { version } from "../../domain/version.js"
import type { Screen } from "../people/screen.js"
import { examples } from "./examples.js"
import { groups } from "./groups.js"
import type { Entry, Node } from "./tree.js"

/** What every command takes. */
export const everywhere: ReadonlyArray<Entry> = [
  { name: "--help", value: "", description: "What a command does." },
  { name: "--version", value: "", description: "Which version this is." },
  {
    name: "--log-level",
    value: "level",
    description: "Of what is told on standard error; debug shows where an error came from."
  },
  {
    name: "--completions",
    value: "sh | bash | zsh | fish",
    description: "Print what that shell completes commands and flags by."
  }
]

/** No line of a help is wider: one reads it. */
const WIDEST = 100
const MARGIN = "  "

/** The help of one command, or of the program. */
export const helpOf = (node: Node, screen: Screen): string => {
  const { bold } = screen
  const width = Math.min(screen.width, WIDEST)
  const section = (title: string, lines: ReadonlyArray<string>) => lines.length === 0 ? [] : ["", bold(title), ...lines]
  const list = (entries: ReadonlyArray<readonly [string, string]>) => listed(entries, width)
  const shown = examples[node.path.join(" ")] ?? []
  return [
    ...wrapped(node.path.length === 0 ? `Quorate ${version}. ${node.description}` : node.description, width),
    "",
    ...wrapped(`${MARGIN}${usageOf(node)}`, width, MARGIN.repeat(2)),
    ...(node.path.length === 0
      ? groups.flatMap(({ names, title }) => section(title, list(rows(names, node.commands))))
      : section("Commands", list(node.commands.map((each) => [each.name, each.description])))),
    ...section("Arguments", list(node.arguments.map(rowOf))),
    ...section("Flags", list(node.flags.map(rowOf))),
    ...section("Everywhere", list(everywhere.map(rowOf))),
    ...section("Examples", shown.map((line) => `${MARGIN}${line}`)),
    ...(node.commands.length === 0
      ? []
      : ["", `quorate ${[...node.path, "<command>"].join(" ")} --help tells more of each.`])
  ].join("\n")
}

export const usageOf = ({ arguments: args, commands, flags, path }: Node): string =>
  [
    "quorate",
    ...path,
    ...(commands.length > 0 ? ["<command>"] : []),
    ...(flags.length > 0 ? ["[flags]"] : []),
    ...args.map(({ name }) => name)
  ].join(" ")

const rows = (names: ReadonlyArray<string>, commands: ReadonlyArray<Node>): ReadonlyArray<readonly [string, string]> =>
  names.flatMap((name) => {
    const command = commands.find((each) => each.name === name)
    return command === undefined ? [] : [[name, command.description] as const]
  })

const rowOf = ({ description, name, value }: Entry): readonly [string, string] => [
  value === "" ? name : `${name} <${value}>`,
  description
]

/** The widest name that has its description beside it. */
const WIDEST_NAME = 28

const listed = (entries: ReadonlyArray<readonly [string, string]>, width: number): ReadonlyArray<string> => {
  const widths = entries.map(([name]) => stringWidth(name)).filter((each) => each <= WIDEST_NAME)
  const column = Math.max(0, ...widths) + MARGIN.length * 2
  const indent = " ".repeat(column)
  return entries.flatMap(([name, description]) => {
    const head = `${MARGIN}${name}`
    return stringWidth(head) + MARGIN.length > column
      ? [head, ...wrapped(`${indent}${description}`, width, indent)]
      : wrapped(`${head.padEnd(column)}${description}`, width, indent)
  })
}

/** A text on lines of this width; those after the first begin with the indent. */
const wrapped = (text: string, width: number, indent = ""): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const [, space = "", word = ""] of text.matchAll(/(\s*)(\S+)/g)) {
    if (line === "") line = `${space}${word}`
    else if (stringWidth(line) + stringWidth(space) + stringWidth(word) <= width) line += `${space}${word}`
    else {
      lines.push(line)
      line = `${indent}${word}`
    }
  }
  return line === "" ? lines : [...lines, line]
}
