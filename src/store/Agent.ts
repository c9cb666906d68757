import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as GlobalValue from "effect/GlobalValue"

/** The agent that asks for what is written, where it says which. */
export const current: FiberRef.FiberRef<string | null> = GlobalValue.globalValue(
  "quorate/store/Agent",
  () => FiberRef.unsafeMake<string | null>(null)
)

/** Writes as this agent. */
export const as = (agent: string | null) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.locally(effect, current, agent)
