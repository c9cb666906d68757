// npm run mutants: switches off each promise of the tables in test/mutants by a small edit, and shows that the test which
// guards it goes red. Sources are changed on their way to the test only, never in this folder.
//   --only WORD    those with this word in their promise, file, test or table
//   --share N/M    the Nth of M parts, so that several processes can have one each
//   --most N       so many at most, drawn by the seed
//   --seed TEXT    what the draw depends on
//   --list         says what is guarded by what, and runs nothing
//   --tables DIR   tables of another folder
//   --unproved     does not first run the tests with every promise kept
import { parseArgs } from "node:util"
import { make } from "./mutants/bench.mjs"
import * as Table from "./mutants/table.mjs"
import { root } from "./tools.mjs"

const refuse = (problem) => {
  console.error(`mutants: ${problem}`)
  process.exit(2)
}

const options = {
  only: { type: "string" },
  share: { type: "string", default: "1/1" },
  most: { type: "string" },
  seed: { type: "string", default: String(process.hrtime.bigint()) },
  tables: { type: "string", default: Table.FOLDER },
  list: { type: "boolean", default: false },
  unproved: { type: "boolean", default: false }
}
const parse = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error.message)
  }
}

const { list, most, only, seed, share, tables, unproved } = parse()
const [, part, parts] = /^(\d+)\/(\d+)$/.exec(share)?.map(Number) ?? []
if (!(part >= 1 && part <= parts)) refuse(`--share must be N/M with N from 1 to M, and is ${share}`)
if (most !== undefined && !/^[1-9]\d*$/.test(most)) refuse(`--most must be a whole number from 1, and is ${most}`)

const all = Table.read(root, tables)
const has = (word) => ({ file, promise, table, test }) =>
  [file, promise, table, test].some((text) => text.toLowerCase().includes(word.toLowerCase()))
const named = only === undefined ? all : all.filter(has(only))
if (named.length === 0) refuse(`no promise has the word "${only}"`)
const drawn = most === undefined ? named : Table.some(named, Number(most), seed)
// One after the other of one test, for what a test loads is transformed once.
const guards = drawn.toSorted((a, b) => a.test < b.test ? -1 : a.test > b.test ? 1 : 0)
  .filter((_, index) => index % parts === part - 1)

if (list) {
  for (const { file, name, promise, test } of guards) console.log(`${promise}\n    src/${file}  ${test}  "${name}"`)
  console.log(`${guards.length} of ${all.length} promises`)
  process.exit(0)
}

/** The names of each test file that are to be run. */
const byTest = () => {
  const names = new Map()
  for (const { name, test } of guards) names.set(test, [...new Set([...(names.get(test) ?? []), name])])
  return names
}

const firstLine = (text) => (text ?? "").split("\n")[0].slice(0, 120)

/** `[whether the guard holds, what is to be said]`. */
const verdictOf = ({ file, name }, found, { errors, failed, ran, skipped, why }) => {
  if (found && ran === 0 && errors.length === 0 && skipped.length > 0) return [true, `SKIPPED: ${skipped[0]}`]
  if (!found) return [false, `NOT FOUND: the text to replace is not exactly once in src/${file}`]
  if (ran === 0) {
    return [false, errors.length > 0 ? `BROKEN: ${firstLine(errors[0])}` : `NOT FOUND: no test has the name "${name}"`]
  }
  return failed.length > 0 ? [true, `red: ${firstLine(why)}`] : [false, "GREEN: nothing fails without it"]
}

const bench = await make(root)
const bad = []
const tell = (good, promise, what) => {
  if (!good) bad.push(`${promise}\n    ${what}`)
  console.log(`${promise}\n    ${what}`)
}

if (most !== undefined) console.log(`drawn by --seed ${seed}`)
if (!unproved) {
  for (const [test, names] of byTest()) {
    const { errors, failed } = await bench.run(test, names)
    for (const what of [...failed, ...errors]) tell(false, test, `FAILS with every promise kept: ${firstLine(what)}`)
  }
}
let guarded = 0
let skipped = 0
for (const guard of guards) {
  const found = bench.found(guard)
  const begin = performance.now()
  const came = found
    ? await bench.run(guard.test, [guard.name], guard)
    : { ran: 0, failed: [], skipped: [], errors: [], why: null }
  const [good, what] = verdictOf(guard, found, came)
  if (came.failed.length > 0) guarded++
  else if (good) skipped++
  tell(good, guard.promise, `${what}  (${guard.test}, ${((performance.now() - begin) / 1000).toFixed(1)} s)`)
}
await bench.close()

if (bad.length > 0) console.log(`\nnot guarded:\n${bad.join("\n")}`)
const left = skipped === 0 ? "" : `, ${skipped} skipped: this machine can not run their tests`
console.log(`\n${guarded} of ${guards.length} promises guarded${left}; the tables have ${all.length}`)
process.exit(bad.length > 0 ? 1 : 0)
