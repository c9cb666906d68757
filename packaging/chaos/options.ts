import { parseArgs } from "node:util"
import { BUGS } from "./bugs.js"
import { type Fault, FAULTS, isFault } from "./Chronicle.js"
import { isOriginalFault, ORIGINAL_FAULTS, type OriginalFault } from "./original.js"

export const USAGE = `usage: npm run chaos -- [options]

  --seed N             what everything follows from but the moments at which things happen; printed, and drawn without
  --minutes M          rounds begin for so long; 2
  --rounds N           so many rounds, instead
  --seconds S          how long the faults of a round take; 20
  --nodes 3,5          sizes of meshes
  --secured yes,no     meshes with TLS and signatures, and without
  --only a,b           these faults alone: ${FAULTS.join(", ")}
  --upgrade-to DIR     where upgrades lead: a folder with main.js; else the same build is started again
  --plain              nothing but Node, whatever there is on this machine
  --destructive        instead of rounds: all are killed, all disks but one deleted, for every choice of one
  --bug NAME           a daemon with a bug: ${BUGS.map(({ name }) => name).join(", ")}
  --out DIR            histories (JSONL), report.json and report.html; a new folder without
  --main FILE          the daemon; dist/main.js
  --cycles N           instead of rounds: as the script of the original has it, see run-chaos.sh
  --writes N           of each cycle; 100
  --fault NAME         ${ORIGINAL_FAULTS.join(" | ")}
  --ports A,B,C        of its nodes
  --help`

export interface Options {
  readonly seed: number
  readonly minutes: number
  readonly rounds: number
  readonly seconds: number
  readonly nodes: ReadonlyArray<number>
  readonly secured: ReadonlyArray<boolean>
  readonly only: ReadonlyArray<Fault> | null
  readonly upgradeTo: string | undefined
  readonly isPlain: boolean
  readonly isDestructive: boolean
  readonly bug: string | null
  readonly out: string | undefined
  readonly main: string | undefined
  readonly cycles: number | null
  readonly writes: number
  readonly fault: OriginalFault | null
  readonly ports: ReadonlyArray<number> | undefined
}

const text = { type: "string" } as const
const flag = { type: "boolean", default: false } as const

/** What was asked for, `help`, or what is wrong with it. */
export const parse = (args: ReadonlyArray<string>): Options | "help" | { readonly problem: string } => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: text,
        minutes: { ...text, default: "2" },
        rounds: text,
        seconds: { ...text, default: "20" },
        nodes: { ...text, default: "3,5" },
        secured: { ...text, default: "no,yes" },
        only: text,
        "upgrade-to": text,
        plain: flag,
        destructive: flag,
        bug: text,
        out: text,
        main: text,
        cycles: text,
        writes: { ...text, default: "100" },
        fault: text,
        ports: text,
        help: flag
      }
    })
    if (values.help) return "help"
    const bug = values.bug ?? null
    if (bug !== null && !BUGS.some(({ name }) => name === bug)) throw new Error(`--bug: there is none called ${bug}`)
    const fault = values.fault ?? null
    if (fault !== null && !isOriginalFault(fault)) throw new Error(`--fault: there is none called ${fault}`)
    return {
      seed: values.seed === undefined
        ? Math.floor(performance.timeOrigin + performance.now()) % 1_000_000
        : number("seed", values.seed),
      minutes: values.rounds === undefined ? number("minutes", values.minutes) : Number.POSITIVE_INFINITY,
      rounds: values.rounds === undefined ? Number.POSITIVE_INFINITY : number("rounds", values.rounds),
      seconds: number("seconds", values.seconds),
      nodes: values.nodes.split(",").map((each) => size(each)),
      secured: values.secured.split(",").map(yesOrNo),
      only: values.only === undefined ? null : values.only.split(",").map(faultOf),
      upgradeTo: values["upgrade-to"],
      isPlain: values.plain,
      isDestructive: values.destructive,
      bug,
      out: values.out,
      main: values.main,
      cycles: values.cycles === undefined && fault === null ? null : number("cycles", values.cycles ?? "10"),
      writes: number("writes", values.writes),
      fault,
      ports: values.ports?.split(",").map((each) => number("ports", each))
    }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

const number = (name: string, given: string): number => {
  const value = Number(given)
  if (!(value > 0)) throw new Error(`--${name}: expected a number above 0, got "${given}"`)
  return value
}

const size = (given: string): number => {
  if (given !== "3" && given !== "5") throw new Error(`--nodes: expected 3, 5 or both, got "${given}"`)
  return Number(given)
}

const yesOrNo = (given: string): boolean => {
  if (given !== "yes" && given !== "no") throw new Error(`--secured: expected yes, no or both, got "${given}"`)
  return given === "yes"
}

const faultOf = (given: string): Fault => {
  if (!isFault(given)) throw new Error(`--only: there is no fault ${given}`)
  return given
}
