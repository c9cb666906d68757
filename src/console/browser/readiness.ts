import { h } from "./dom.js"
import { type Json, record, text } from "./json.js"

/** What `/health/ready` says of a node: nothing when it says nothing. */
interface Readiness {
  readonly ready: boolean
  readonly checks: ReadonlyArray<readonly [name: string, ok: boolean, detail: string]>
}

const MOST_MILLIS = 5_000

/** Asks whether the node can take a write now. It needs no key. */
export const ask = async (): Promise<Readiness | undefined> => {
  try {
    const response = await fetch("/health/ready", { cache: "no-store", signal: AbortSignal.timeout(MOST_MILLIS) })
    return read(record(await response.json()))
  } catch {
    return undefined
  }
}

const read = ({ checks, ready }: Json): Readiness => ({
  ready: ready === true,
  checks: Object.entries(record(checks)).map(([name, check]) => {
    const { detail, ok } = record(check)
    return [name, ok === true, text(detail)] as const
  })
})

/** One sentence about it. */
export const sentence = (readiness: Readiness | undefined): string => {
  if (readiness === undefined) return "This node does not answer."
  const failing = readiness.checks.filter(([, ok]) => !ok).map(([name]) => name)
  if (!readiness.ready) return `It can not take a write now: see ${failing.join(", ")}.`
  return failing.length === 0 ? "It works." : `It works. Not as it should be: ${failing.join(", ")}.`
}

export const classOf = (readiness: Readiness | undefined): string =>
  readiness?.ready !== true ? "bad" : readiness.checks.every(([, ok]) => ok) ? "good" : "warn"

/** The checks, a name and a detail each. Colour is not all that tells which are good. */
export const shown = ({ checks }: Readiness): ReadonlyArray<HTMLElement> =>
  checks.map(([name, ok, detail]) =>
    h(
      "div",
      {},
      h("dt", {}, name),
      h("dd", {}, h("span", { class: ok ? "mark good" : "mark warn" }, ok ? "ok" : "look"), ` ${detail}`)
    )
  )
