import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { abstaining, type Figures, languageOf, measure, type Measured, recalled } from "./measure.js"
import { askAll, type Mode, modes } from "./modes.js"
import { memories, questions, unanswerable } from "./set.js"

const { values } = parseArgs({
  options: { mode: { type: "string", multiple: true }, misses: { type: "string" } }
})

const told = new Map(memories.map(({ id, title }) => [id, title]))

const run = ({ name, open }: Mode) =>
  Effect.scoped(Effect.gen(function*() {
    const ask = yield* open
    const begin = performance.now()
    const { answered, unanswered } = yield* askAll(ask)
    const millis = (performance.now() - begin) / (answered.length + unanswered.length)
    return { name, millis, answered, unanswered, measured: measure(answered, unanswered) }
  }))

type Ran = Effect.Effect.Success<ReturnType<typeof run>>

const percent = (share: number): string => (100 * share).toFixed(1)

const print = (rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)))
  const pad = (cell: string, at: number) => at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
  console.log(rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n") + "\n")
}

const overall = (ran: ReadonlyArray<Ran>) =>
  print([
    ["", "@1", "@3", "@10", "MRR", "false answers", "ms"],
    ...ran.map(({ measured: { all, falseAnswers }, millis, name }) => [
      name,
      percent(all.at1),
      percent(all.at3),
      percent(all.at10),
      percent(all.mrr),
      percent(falseAnswers),
      millis.toFixed(2)
    ])
  ])

/** One line for each part, and of each mode what it finds among the first one, three and ten. */
const parted = (
  ran: ReadonlyArray<Ran>,
  title: string,
  parts: (measured: Measured) => ReadonlyMap<string, Figures>
) => {
  const [first] = ran
  if (first === undefined) return
  const cell = (one: Figures | undefined) =>
    one === undefined ? "" : [one.at1, one.at3, one.at10].map((share) => percent(share).padStart(5)).join(" ")
  print([
    [title, "questions", ...ran.map(({ name }) => name)],
    ...Array.from(parts(first.measured), ([part, { questions }]) => [
      part,
      `${questions}`,
      ...ran.map(({ measured }) => cell(parts(measured).get(part)))
    ])
  ])
}

/** How much each mode could leave unsaid, and at what price. */
const unsaid = (ran: ReadonlyArray<Ran>) => {
  const rows = ran.flatMap(({ answered, name, unanswered }) =>
    [0, 5, 10, 20, 25, 30].flatMap((mostLost) => abstaining(answered, unanswered, mostLost) ?? []).map((
      { below, empty, lost }
    ) => [name, below.toFixed(3), percent(empty), `${lost}`])
  )
  if (rows.length > 0) print([["saying nothing", "below", "unanswerable empty", "questions lost"], ...rows])
}

/** The questions whose right memories are not all among the first three, and what came instead. */
const misses = ({ answered, name }: Ran, part: string) => {
  console.log(`What ${name} misses of ${part}:\n`)
  for (const one of answered) {
    const { ids, question } = one
    if (part !== "all" && question.group !== part && languageOf(question) !== part) continue
    if (recalled(one, 3) === 1) continue
    console.log(`${question.group} ${question.lang}  ${question.ask}`)
    console.log(`  right: ${question.answers.map((id) => `${id} (${ids.indexOf(id) + 1}) ${told.get(id)}`).join("; ")}`)
    console.log(`  came:  ${ids.slice(0, 3).map((id) => `${id} ${told.get(id)}`).join("; ")}`)
  }
}

const main = Effect.gen(function*() {
  const wanted = modes.filter(({ name }) => values.mode === undefined || values.mode.includes(name))
  console.log(`${memories.length} memories, ${questions.length} questions, ${unanswerable.length} without an answer\n`)
  const ran = yield* Effect.forEach(wanted, run)
  overall(ran)
  parted(ran, "@1 @3 @10", ({ byGroup }) => byGroup)
  parted(ran, "@1 @3 @10", ({ byLanguage }) => byLanguage)
  unsaid(ran)
  const last = ran.at(-1)
  if (values.misses !== undefined && last !== undefined) misses(last, values.misses)
})

await Effect.runPromise(main)
