import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as GlobalValue from "effect/GlobalValue"
import * as Stream from "effect/Stream"
import type { Namespaces } from "../domain/namespaces.js"

/** The namespaces to which whoever asks is limited; null for who may see and write them all. */
export const current: FiberRef.FiberRef<Namespaces | null> = GlobalValue.globalValue(
  "quorate/store/Scope",
  () => FiberRef.unsafeMake<Namespaces | null>(null)
)

/** Reads and writes these namespaces alone: what is elsewhere is not there for it. */
export const within = (namespaces: Namespaces | null) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.locally(effect, current, namespaces)

/** The same of what is read while it is taken, by whoever takes it. */
export const withinStream = (namespaces: Namespaces | null) => <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Stream.concat(Stream.drain(Stream.fromEffect(FiberRef.set(current, namespaces))), stream)
