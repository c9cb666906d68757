import type { Place } from "../../transfer/Intake.js"
import type { Counts } from "./mark.js"

/** What is wrong with something, and where it stands. */
export interface Note {
  readonly at: Place
  readonly reason: string
}

/** All that came of an import. */
export interface Summary {
  readonly dry_run: boolean
  /** Rows of an earlier run that broke off, which were not sent again. */
  readonly resumed_after: number
  readonly counts: Counts
  readonly problems: Notes
  readonly remarks: Notes
}

interface Notes {
  readonly count: number
  /** The first of them. */
  readonly first: ReadonlyArray<Note>
}

/** Notes that are kept; of others it is only known how many they are. */
const MAX_NOTES = 1000
/** Notes that are told to people. */
const MAX_TOLD = 100

export const collecting = () => {
  let count = 0
  const first: Array<Note> = []
  return {
    add: (note: Note): void => {
      count++
      if (first.length < MAX_NOTES) first.push(note)
    },
    all: (): Notes => ({ count, first })
  }
}

export const asJson = ({ counts, problems, remarks, ...rest }: Summary): string => {
  const shown = ({ count, first }: Notes) => ({
    count,
    first: first.map(({ at: { file, line }, reason }) => ({ ...(file === undefined ? {} : { file }), line, reason }))
  })
  return JSON.stringify({ ...counts, ...rest, problems: shown(problems), remarks: shown(remarks) })
}

/** In one line for all, and one for each of what is wrong. */
export const told = ({ counts, dry_run: isDry, problems, remarks, resumed_after: resumed }: Summary) => {
  const some = (count: number, what: string) => count === 0 ? [] : [`${count} ${what}`]
  const would = isDry ? "would be " : ""
  const parts = [
    `${counts.imported} memories ${would}imported (${counts.created} new, ${counts.updated} changed)`,
    ...some(counts.unchanged, "were here"),
    ...some(counts.renamed, `${would}renamed`),
    ...some(counts.links_imported, "links"),
    ...some(counts.standards_imported, "standards"),
    ...some(counts.pendings_imported, "actions"),
    ...some(problems.count, "not imported"),
    ...some(resumed, "rows of an earlier run")
  ]
  return {
    summary: `${parts.join(", ")}${isDry ? "; nothing was written" : ""}`,
    notes: [...lines(problems, ""), ...lines(remarks, "note: ")]
  }
}

const lines = ({ count, first }: Notes, mark: string): ReadonlyArray<string> => [
  ...first.slice(0, MAX_TOLD).map(({ at, reason }) => readable(`${mark}${placeOf(at)}${reason}`)),
  ...(count > MAX_TOLD ? [`${mark}and ${count - MAX_TOLD} more`] : [])
]

const placeOf = ({ file, line }: Place): string => {
  const parts = [
    ...(file === undefined ? [] : [file]),
    ...(line === 0 ? [] : [file === undefined ? `line ${line}` : String(line)])
  ]
  return parts.length === 0 ? "" : `${parts.join(":")}: `
}

/** Names of files and texts of sources, without what a terminal takes for a command. */
const readable = (text: string): string => text.replace(/\p{Cc}/gu, "?").slice(0, 500)
