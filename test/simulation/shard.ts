import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { breathe } from "../breathe.js"
import { Coverage } from "./coverage.js"
import { isFocus } from "./options.js"
import { run } from "./run.js"
import { makeImage } from "./SimDisk.js"

/** What `npm run simulate` asks for. */
const Asked = Schema.parseJson(Schema.Struct({
  from: Schema.Int,
  seeds: Schema.Int,
  trace: Schema.optional(Schema.String),
  focus: Schema.optional(Schema.declare(isFocus))
}))

const asked = Option.map(Option.fromNullable(process.env["QUORATE_SIMULATE"]), Schema.decodeUnknownSync(Asked))

/** Seeds that every `npm test` runs; more, or others, by `npm run simulate`. */
const { focus, from, seeds, trace } = Option.getOrElse(
  asked,
  (): typeof Asked.Type => ({ from: 1, seeds: 1_000 })
)

/** Seeds of one test: the runner is told how it goes in between. */
const AT_ONCE = 25
const TIMEOUT_MILLIS = 180_000

/** One of two files that share the seeds, so that they run on two cores. */
export const shard = (index: 0 | 1): void => {
  const coverage = new Coverage()
  let image: Buffer
  let simulatedMillis = 0
  const mine = Array.from({ length: seeds }, (_, offset) => from + offset).filter((_, offset) => offset % 2 === index)

  describe(`simulations from seed ${from + index}, every other one`, () => {
    beforeAll(async () => {
      image = await makeImage()
    })

    for (let begin = 0; begin < mine.length; begin += AT_ONCE) {
      const some = mine.slice(begin, begin + AT_ONCE)
      it(`seeds ${some[0]} to ${some.at(-1)} break no rule`, async () => {
        const failures: Array<string> = []
        for (const seed of some) {
          await breathe()
          const result = run(seed, image, { ...(focus === undefined ? {} : { focus }), keepTrace: trace !== undefined })
          coverage.merge(result.coverage)
          simulatedMillis += result.simulatedMillis
          if (trace !== undefined) fs.appendFileSync(trace, result.lines.join("\n"))
          if (result.violations.length > 0) failures.push(told(seed, result))
        }
        assert.strictEqual(failures.length, 0, failures.join("\n\n"))
      }, TIMEOUT_MILLIS)
    }

    it("exercise enough to mean something", () => {
      console.log(`${mine.length} seeds, ${(simulatedMillis / 3.6e6).toFixed(1)} simulated hours: ${coverage}`)
      if (Option.isNone(asked)) assert.deepStrictEqual(coverage.tooLittle(), [])
    })
  })
}

/** How to see a failing seed again. */
const told = (seed: number, { options, violations }: ReturnType<typeof run>): string =>
  [
    `seed ${seed}: npm run simulate -- --from ${seed} --seeds 1 --trace trace.txt` +
    (focus === undefined ? "" : ` --focus '${JSON.stringify(focus)}'`),
    JSON.stringify(options),
    ...violations.slice(0, 12).map(({ rule, what }) => `  ${rule}: ${what}`),
    ...violations.length > 12 ? [`  and ${violations.length - 12} more`] : []
  ].join("\n")
