import { globalValue } from "effect/GlobalValue"
import * as MutableRef from "effect/MutableRef"
import crypto from "node:crypto"
import { syncBuiltinESMExports } from "node:module"
import timers from "node:timers"
import * as prng from "./prng.js"

/** Something reached for time or chance that is not the simulation's. */
export class Tripped extends Error {
  override readonly name = "Tripped"
}

/**
 * Runs a simulation while every ambient source of time and chance is guarded: the first call of one fails the run with the
 * stack of its caller. The simulation must be synchronous, so nobody else is there to be disturbed.
 */
export const guarded = <A>(simulation: () => A): A => {
  install()
  const outer = tripped
  tripped = null
  active = true
  fibers = MutableRef.get(fiberCounter)
  hashes = prng.make("hashes")
  const limit = Error.stackTraceLimit
  // Operations fail by the thousand here, and nobody reads where.
  Error.stackTraceLimit = 0
  try {
    const result = simulation()
    if (tripped !== null) throw tripped
    return result
  } finally {
    Error.stackTraceLimit = limit
    active = false
    tripped = outer
  }
}

let active = false
let installed = false
let tripped: Tripped | null = null

/** Kept beside being thrown: whoever called may have caught it. */
const trip = (what: string): never => {
  Error.stackTraceLimit = 12
  const error = new Tripped(`${what} was called during a simulation`)
  tripped ??= error
  throw error
}

const fiberCounter = globalValue(Symbol.for("effect/Fiber/Id/_fiberCounter"), () => MutableRef.make(0))
let fibers = 0

/** Effect stamps each new fiber with `Date.now`, and some when they end, and uses it for nothing here. */
const dateNow = (): number => {
  const count = MutableRef.get(fiberCounter)
  const isNewFiber = count === fibers + 1
  fibers = count
  return isNewFiber || isCalledBy(/effect\/dist\/\w+\/internal\/fiberRuntime\.js/) ? 0 : trip("Date.now")
}

/** Effect hashes an object without a value by chance; here by one that is always the same. */
const identityHash = (): number => isCalledBy(/effect\/dist\/\w+\/Hash\.js/) ? hashes.next() : trip("Math.random")

/** Whether a file that matches is among the nearest callers. Asked often: so without the text of a stack. */
const isCalledBy = (file: RegExp): boolean => {
  const formatted = Error.prepareStackTrace
  Error.stackTraceLimit = 5
  Error.prepareStackTrace = (_, frames) => frames.some((frame) => file.test(frame.getFileName() ?? ""))
  const asked: { stack?: unknown } = {}
  Error.captureStackTrace(asked, isCalledBy)
  const found = asked.stack === true
  Error.prepareStackTrace = formatted
  Error.stackTraceLimit = 0
  return found
}

let hashes = prng.make("hashes")

const guard = <Arguments extends ReadonlyArray<unknown>, Result>(
  what: string,
  real: (...given: Arguments) => Result
) =>
(...given: Arguments): Result => active ? trip(what) : real(...given)

/** Replaced once; outside of a simulation each does what it always did. */
const install = (): void => {
  if (installed) return
  installed = true
  const RealDate = Date
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, given: [], newTarget) =>
      active && given.length === 0 ? trip("new Date()") : Reflect.construct(target, given, newTarget),
    apply: () => active ? trip("Date()") : String(new RealDate()),
    get: (target, key) => key === "now" && active ? dateNow : Reflect.get(target, key)
  })
  const realRandom = Math.random
  Math.random = () => active ? identityHash() : realRandom()
  performance.now = guard("performance.now", performance.now.bind(performance))
  const randomUUID = guard("randomUUID", crypto.randomUUID)
  const randomBytes = guard("randomBytes", crypto.randomBytes)
  Object.assign(crypto, { randomUUID, randomBytes })
  Object.defineProperty(globalThis.crypto, "randomUUID", { value: randomUUID, configurable: true, writable: true })
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const real = globalThis[name]
    const guardedTimer = new Proxy(real, {
      apply: (target, self, given) => active ? trip(name) : Reflect.apply(target, self, given)
    })
    Object.assign(globalThis, { [name]: guardedTimer })
    Object.assign(timers, { [name]: guardedTimer })
  }
  syncBuiltinESMExports()
}
