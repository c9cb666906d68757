import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"

/** A text that is kept beside the code, by its path from the root. */
export interface Document {
  readonly path: string
  readonly text: string
}

/** A part of a document that is set apart, such as a program. */
export interface Block {
  readonly language: string
  readonly text: string
}

export const read = (path: string): Document => ({ path, text: readFileSync(path, "utf8") })

const inFolder = (folder: string): ReadonlyArray<Document> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md")).sort()
    .map((name) => read(posix.join(folder, name)))

const MANUAL = "packaging/manual"

export const readme = read("README.md")
export const index = read(`${MANUAL}/README.md`)
export const manual = inFolder(MANUAL)
export const page = (name: string): Document => read(`${MANUAL}/${name}.md`)
/** For those who use a node: everything in them is tried out. */
export const guides: ReadonlyArray<Document> = [readme, ...manual]
export const decisions = inFolder("ADR")
export const all: ReadonlyArray<Document> = [
  ...guides,
  ...decisions,
  ...inFolder(".github"),
  ...inFolder("src"),
  read("packaging/CHANGELOG.md"),
  read("packaging/bench/README.md")
]

const FENCED = /^```([a-z]*)\n(.*?)^```$/gms

/** What is fenced, in order. */
export const blocks = ({ text }: Document): ReadonlyArray<Block> =>
  Array.from(text.matchAll(FENCED), ([, language = "", block = ""]) => ({ language, text: block }))

/** The text around the fenced blocks. */
export const prose = ({ text }: Document): string => text.replaceAll(FENCED, "")

/** Cells of the table rows whose first cell begins as given. */
export const rows = (document: Document, begin: string): ReadonlyArray<ReadonlyArray<string>> =>
  document.text.split("\n").filter((line) => line.startsWith(`| ${begin}`)).map((line) =>
    line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
  )

/** Where links lead to that are no whole URLs. */
export const links = (document: Document): ReadonlyArray<string> =>
  Array.from(prose(document).replaceAll(/`[^`\n]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g), ([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))

/** The names under which its headings are linked to. */
export const anchors = (document: Document): ReadonlySet<string> =>
  new Set(
    Array.from(prose(document).matchAll(/^#+ (.+)$/gm), ([, heading = ""]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"))
  )
