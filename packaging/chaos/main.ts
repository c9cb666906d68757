import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as prng from "../../test/simulation/prng.js"
import type { build } from "./buggy.mjs"
import { BUGS, editsOf } from "./bugs.js"
import { type Fault, FAULTS } from "./Chronicle.js"
import type { Broken } from "./Daemon.js"
import * as destructive from "./destructive.js"
import * as means from "./means.js"
import { type Options, parse, USAGE } from "./options.js"
import * as original from "./original.js"
import { page } from "./page.js"
import { plans } from "./plan.js"
import * as report from "./report.js"
import * as Round from "./Round.js"

/** What the command is told by whoever starts it. */
export interface Place {
  readonly main: string
  readonly clockModule: string
  readonly withBug: typeof build
}

/** Runs the command, and answers its exit code: 1 where something was found, 2 where it can not be done. */
export const main = async (args: ReadonlyArray<string>, place: Place): Promise<number> => {
  const options = parse(args)
  if (options === "help") {
    console.log(USAGE)
    return 0
  }
  if ("problem" in options) {
    console.error(`chaos: ${options.problem}\n\n${USAGE}`)
    return 2
  }
  const bug = BUGS.find(({ name }) => name === options.bug)
  const daemon = bug === undefined ? options.main ?? place.main : await place.withBug(bug.name, editsOf(bug))
  const out = path.resolve(options.out ?? fs.mkdtempSync(path.join(os.tmpdir(), "quorate-chaos-")))
  fs.mkdirSync(out, { recursive: true })
  const can = means.find({ clockModule: place.clockModule, plain: options.isPlain })
  for (const { fault, goesOn, what } of can.missing) console.log(`${fault}: ${what}; ${goesOn}`)
  console.log(`seed ${options.seed}${bug === undefined ? "" : `, with the bug ${bug.name}`}, in ${out}`)
  const given = { options, daemon, out, can, faults: bug?.faults ?? null }
  const what = options.isDestructive ? proofs(given) : options.cycles === null ? rounds(given) : cycles(given)
  const told = Effect.catchTag(what, "Broken", ({ message }) =>
    Effect.sync(() => {
      console.error(`chaos: ${message}`)
      return 2
    }))
  const signal = interrupted()
  return Effect.runPromise(told, { signal }).catch((error: unknown) => {
    console.error(`chaos: ${signal.aborted ? "interrupted" : String(error)}`)
    return 2
  })
}

/** Whoever ends the command ends its daemons, too, and has nothing left mounted. */
const interrupted = (): AbortSignal => {
  const controller = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => controller.abort())
  return controller.signal
}

interface Given {
  readonly options: Options
  readonly daemon: string
  readonly out: string
  readonly can: means.Means
  /** What a bug is found by. */
  readonly faults: ReadonlyArray<Fault> | null
}

const MAX_SHOWN = 20

const rounds = ({ can, daemon, faults: ofBug, options, out }: Given): Effect.Effect<number, Broken> =>
  Effect.gen(function*() {
    const faults = (options.only ?? ofBug ?? FAULTS).filter((fault) =>
      (fault !== "full-disk" || can.canFill) && (fault !== "slow-disk" || can.canSlow)
    )
    const until = performance.now() + options.minutes * 60_000
    const dealt = new Set<Fault>()
    const done: Array<report.RoundReport> = []
    const { nodes: sizes, seconds, secured, seed } = options
    for (const plan of plans({ seed, sizes, secured, faults, seconds })) {
      if (plan.number > options.rounds || performance.now() > until) break
      const wire = plan.isSecured ? ", TLS and signatures" : ""
      console.log(`round ${plan.number}: ${plan.size} nodes, W=${plan.quorumWrites}${wire}: ${plan.faults.join(", ")}`)
      const upgradeTo = options.upgradeTo === undefined ? undefined : path.join(options.upgradeTo, "main.js")
      const told = report.ofRound(yield* Round.run(plan, { folder: out, main: daemon, upgradeTo, means: can }))
      for (const fault of plan.faults) dealt.add(fault)
      done.push(told)
      tell(told)
      // One is enough to know that it was found.
      if (options.bug !== null && told.violations.length > 0) break
    }
    const whole = report.ofRun({ seed, bug: options.bug, missing: can.missing, rounds: done, wanted: dealt })
    write(out, report.withoutTimelines(whole))
    fs.writeFileSync(path.join(out, "report.html"), page(whole))
    for (const [fault, { in_flight_at_begin, times, writes_overlapped }] of Object.entries(whole.faults)) {
      console.log(
        `${fault}: ${times} times, ${in_flight_at_begin} writes in flight when it began, ${writes_overlapped} met it`
      )
    }
    for (const fault of whole.idle) console.log(`NOTHING SHOWN: no write was in flight when ${fault} began`)
    console.log(`${whole.violations} violations in ${done.length} rounds: ${path.join(out, "report.html")}`)
    return whole.violations > 0 || whole.idle.length > 0 ? 1 : 0
  })

const tell = ({ converged_after_ms, operations, violations, writes }: report.RoundReport): void => {
  const rest = converged_after_ms === null ? "NEVER the same" : `the same after ${Math.round(converged_after_ms)} ms`
  console.log(
    `  ${writes.ok} acknowledged, ${writes.quorumNotMet} missed their quorum, ${writes.refused} refused, ` +
      `${writes.unknown} unknown, ${writes.retries} sent again; ${operations} operations, ${rest}`
  )
  for (const { rule, what } of violations.slice(0, MAX_SHOWN)) console.log(`  VIOLATION ${rule}: ${what}`)
  if (violations.length > MAX_SHOWN) console.log(`  and ${violations.length - MAX_SHOWN} more`)
}

const write = (out: string, what: object): void =>
  fs.writeFileSync(path.join(out, "report.json"), `${JSON.stringify(what, null, 2)}\n`)

const proofs = ({ can, daemon, options, out }: Given): Effect.Effect<number, Broken> =>
  Effect.gen(function*() {
    const chance = prng.make(`${options.seed}/destructive`)
    const kinds = options.nodes.flatMap((size) => [2, 3].map((quorumWrites) => ({ size, quorumWrites })))
    const done = yield* Effect.forEach(kinds, (kind) =>
      Effect.map(
        destructive.prove({
          ...kind,
          isSecured: options.secured.length === 1 ? options.secured[0] === true : chance.chance(0.5),
          folder: path.join(out, `proof-${kind.size}-${kind.quorumWrites}`),
          main: daemon,
          means: can,
          chance: chance.fork(`${kind.size} ${kind.quorumWrites}`)
        }),
        (proof) => {
          console.log(`${proof.nodes} nodes, W=${proof.quorum_writes}: ${proof.acknowledged} writes acknowledged`)
          for (const { missing, named, survivor } of proof.choices) {
            console.log(`  ${survivor} alone: ${named - missing.length} of ${named} that name it are there`)
          }
          return proof
        }
      ))
    write(out, { seed: options.seed, proofs: done })
    const choices = done.flatMap((proof) => proof.choices)
    return choices.some(({ missing, named }) => named === 0 || missing.length > 0) ? 1 : 0
  })

const cycles = ({ can, daemon, options, out }: Given): Effect.Effect<number, Broken> =>
  Effect.gen(function*() {
    const chance = prng.make(`${options.seed}/cycles`)
    const file = path.join(out, "chaos-report.jsonl")
    fs.writeFileSync(file, "")
    const done: Array<original.Cycle> = []
    for (let cycle = 1; cycle <= (options.cycles ?? 0); cycle++) {
      const fault = options.fault ?? "kill_primary_mid_write"
      const folder = path.join(out, `cycle-${cycle}`)
      const { ports, writes } = options
      const came = yield* original.cycle({
        ...{ cycle, fault, writes, ports, folder, main: daemon, means: can },
        chance: chance.fork(`cycle ${cycle}`)
      })
      done.push(came)
      fs.appendFileSync(file, `${JSON.stringify(came)}\n`)
      console.log(JSON.stringify(came))
    }
    const summary = original.summaryOf(done)
    write(out, summary)
    console.log(JSON.stringify(summary))
    return summary.convergence_bound !== null && summary.convergence_bound >= 0.995 && summary.total_fail === 0 ? 0 : 1
  })
