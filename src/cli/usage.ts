import { knobs } from "../config/knobs.js"
import { nearest } from "../config/nearest.js"
import type { Node } from "./help/tree.js"

/** Flags of commands that are no settings, and whether a value follows. */
const OTHERS: ReadonlyMap<string, boolean> = new Map([
  ["config", true],
  ["json", false],
  ["scopes", true],
  ["agent-id", true],
  ["expires", true],
  ["pub", true],
  ["priv", true],
  ["force", false],
  ["id", true],
  ["kind", true],
  ["matcher", true],
  ["severity", true],
  ["reason", true],
  ["namespace", true],
  ["namespaces", true],
  ["disabled", false],
  ["sign", false],
  ["operator-key-file", true],
  ["payload", true],
  ["out", true],
  ["ca-dir", true],
  ["name", true],
  ["hosts", true],
  ["last-valid", true],
  ["since", true],
  ["head", true],
  ["format", true],
  ["limit", true],
  ["type", true],
  ["url", true],
  ["agent", true],
  ["peer", true],
  ["origin", true],
  ["until", true],
  ["dry-run", false],
  ["ensure", false],
  ["wait", true],
  ["ca-cert", true],
  ["client-cert", true],
  ["client-key", true],
  ["home", true],
  ["project", false],
  ["remove", false],
  ["from", true],
  ["to", true],
  ["title", true],
  ["content", true],
  ["file", true],
  ["tags", true],
  ["tag", true],
  ["tier", true],
  ["priority", true],
  ["on-conflict", true],
  ["abstain-below", true],
  ["offset", true],
  ["relation", true],
  ["yes", false],
  ["keep", true],
  ["of", true],
  ["status", true],
  ["unread", false],
  ["help", false],
  ["version", false],
  ["wizard", false],
  ["completions", true]
])

const takesValue = new Map([...knobs.map(({ metavar, name }) => [name, metavar !== undefined] as const), ...OTHERS])

/**
 * What is wrong with the flags of a command line, which the command-line library would call unknown alike: one that there is
 * not, one without its value, one that is given twice to one command.
 */
export const problemOf = (args: ReadonlyArray<string>): string | undefined => {
  const given = new Set<string>()
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ""
    if (!arg.startsWith("--")) {
      // A command, after which its own flags come.
      if (!arg.startsWith("-")) given.clear()
      continue
    }
    const [name = "", ...rest] = arg.slice(2).split("=")
    const wantsValue = takesValue.get(name)
    if (wantsValue === undefined) {
      const meant = nearest(name, takesValue.keys())
      return `there is no flag --${name}${meant === undefined ? "" : `; did you mean --${meant}?`}`
    }
    if (given.has(name)) return `--${name} is given twice`
    given.add(name)
    if (!wantsValue || rest.length > 0) continue
    const next = args[at + 1]
    if (next === undefined || next.startsWith("--")) return `--${name} is given without its value`
    at++
  }
  return undefined
}

/**
 * What is wrong with the words of a command line: one that is no command where one must stand. The library would list all that
 * there are.
 */
export const wordProblemOf = (tree: Node, args: ReadonlyArray<string>): string | undefined => {
  let at = tree
  for (const word of wordsIn(args)) {
    if (at.commands.length === 0 || at.arguments.length > 0) return undefined
    const next = at.commands.find(({ name }) => name === word)
    if (next === undefined) {
      const meant = nearest(word, at.commands.map(({ name }) => name))
      const called = [...at.path, word].join(" ")
      return `there is no command ${called}${
        meant === undefined ? "" : `; did you mean ${[...at.path, meant].join(" ")}?`
      }`
    }
    at = next
  }
  return at.path.length > 0 && at.flags.length === 0 && at.arguments.length === 0 && at.commands.length > 0
    ? `${at.path.join(" ")} is followed by one of ${at.commands.map(({ name }) => name).join(", ")}`
    : undefined
}

/** What is neither a flag nor the value of one. */
export const wordsIn = (args: ReadonlyArray<string>): ReadonlyArray<string> =>
  args.filter((arg, at) => {
    const [before = ""] = at === 0 ? [] : [args[at - 1]]
    const isValue = before.startsWith("--") && !before.includes("=") && takesValue.get(before.slice(2)) === true
    return !arg.startsWith("-") && !isValue
  })
