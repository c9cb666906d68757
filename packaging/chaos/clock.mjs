// Loaded before the daemon (node --import): moves its wall clock by as many milliseconds as a file says, which may change.
// What libfaketime does from outside, for machines that have none. Timers and the monotonic clock stay right.
import { readFileSync, watchFile } from "node:fs"

const file = process.env.QUORATE_CHAOS_CLOCK
const RealDate = Date
let offset = 0
const read = () => {
  try {
    offset = Number(readFileSync(file, "utf8")) || 0
  } catch {
    offset = 0
  }
}
read()
watchFile(file, { interval: 100, persistent: false }, read)

const now = () => RealDate.now() + offset
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, as) => Reflect.construct(target, given.length === 0 ? [now()] : given, as),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => name === "now" ? now : Reflect.get(target, name, receiver)
})
