import * as CliConfig from "@effect/cli/CliConfig"
import type * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/*
 * What the commands say of themselves, as a tree: of it are made the help, the page of the manual and what shells complete by. The
 * command-line library has it as a document alone, so it is read out of that.
 */

/** A flag or an argument. */
export interface Entry {
  /** As in `--title` or `<text>`. */
  readonly name: string
  /** What follows a flag that takes something. */
  readonly value: string
  readonly description: string
}

export interface Node {
  readonly name: string
  /** The words that lead to it, after `quorate`. */
  readonly path: ReadonlyArray<string>
  readonly description: string
  readonly arguments: ReadonlyArray<Entry>
  readonly flags: ReadonlyArray<Entry>
  readonly commands: ReadonlyArray<Node>
}

type Descriptor = CommandDescriptor.Command<unknown>

/** The tree of a program: the path of its own node is empty. */
export const treeOf = <Name extends string, R, E, A>({ descriptor }: Command.Command<Name, R, E, A>): Node => ({
  ...readOf(CommandDescriptor.getHelp(descriptor, CONFIG)),
  name: nameOf(descriptor),
  path: [],
  commands: below(descriptor, [])
})

const CONFIG = CliConfig.make({ showBuiltIns: false })

const nameOf = <A>(descriptor: CommandDescriptor.Command<A>): string =>
  Option.getOrElse(Arr.head(Array.from(CommandDescriptor.getNames(descriptor))), () => "")

const below = (descriptor: unknown, path: ReadonlyArray<string>): ReadonlyArray<Node> =>
  childrenOf(descriptor).map((child): Node => {
    const name = nameOf(child)
    return {
      ...readOf(CommandDescriptor.getHelp(child, CONFIG)),
      name,
      path: [...path, name],
      commands: below(child, [...path, name])
    }
  })

/** The library tells of one level alone, so its own fields are looked at: none where a later version has others. */
const childrenOf = (descriptor: unknown): ReadonlyArray<Descriptor> =>
  Predicate.hasProperty(descriptor, "children") && Array.isArray(descriptor.children)
    ? descriptor.children.filter(isDescriptor)
    : Predicate.hasProperty(descriptor, "command")
    ? childrenOf(descriptor.command)
    : []

const isDescriptor = (value: unknown): value is Descriptor => Predicate.hasProperty(value, CommandDescriptor.TypeId)

/** The node that the words of a command line lead to, and how far. */
export const find = (tree: Node, args: ReadonlyArray<string>): Node => {
  let at = tree
  for (const arg of args) at = at.commands.find(({ name }) => name === arg) ?? at
  return at
}

/** A node, and all below it. */
export const all = (node: Node): ReadonlyArray<Node> => [node, ...node.commands.flatMap(all)]

/** What the library says of every option or argument alike. */
const SAID_OF_ALL =
  /^(?:A user-defined piece of text\.|A true or false value\.|An integer\.|A floating point number\.|A (?:file|directory|path)(?: that .*| path.*)?\.|An? existing (?:file|directory|path)\.|This setting is optional\.|One of the following: .*|This argument (?:may|must) be repeated .*)$/

const readOf = (doc: HelpDoc.HelpDoc): Pick<Node, "description" | "arguments" | "flags"> => {
  const sections = new Map<string, { readonly texts: Array<string>; readonly entries: Array<Entry> }>()
  let section = { texts: new Array<string>(), entries: new Array<Entry>() }
  const read = (part: HelpDoc.HelpDoc): void => {
    if (part._tag === "Sequence") [part.left, part.right].forEach(read)
    if (part._tag === "Header") sections.set(plain(part.value), section = { texts: [], entries: [] })
    if (part._tag === "Paragraph") section.texts.push(plain(part.value))
    if (part._tag === "DescriptionList") {
      section.entries.push(...part.definitions.map(([term, said]) => entryOf(plain(term), textsOf(said))))
    }
  }
  read(doc)
  const entries = (name: string) => sections.get(name)?.entries ?? []
  return {
    description: sections.get("DESCRIPTION")?.texts.join(" ") ?? "",
    arguments: entries("ARGUMENTS"),
    flags: entries("OPTIONS")
  }
}

const plain = (span: Span.Span): string =>
  span._tag === "Sequence"
    ? `${plain(span.left)}${plain(span.right)}`
    : typeof span.value === "string"
    ? span.value
    : plain(span.value)

const textsOf = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> =>
  doc._tag === "Sequence"
    ? [...textsOf(doc.left), ...textsOf(doc.right)]
    : doc._tag === "Paragraph"
    ? [plain(doc.value)]
    : []

const entryOf = (term: string, texts: ReadonlyArray<string>): Entry => {
  const [name = "", ...value] = term.trim().split(" ")
  const isRepeated = texts.some((text) => text.startsWith("This argument"))
  return {
    name: isRepeated && !name.endsWith("...") ? `${name}...` : name,
    value: value.join(" "),
    description: texts.filter((text) => !SAID_OF_ALL.test(text)).join(" ")
  }
}
