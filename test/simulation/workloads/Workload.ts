import type * as Effect from "effect/Effect"
import type { Client } from "../Client.js"
import type { Services } from "../SimNode.js"
import type { Failure, World } from "../World.js"

/** Where a workload takes place. */
export interface Scene {
  readonly world: World
  readonly client: (name: string) => Client
  /** Until the faults end. */
  readonly isOn: () => boolean
}

/** What some clients do, and what must be true on every node once the mesh is at rest. */
export interface Workload {
  /** Each ends soon after the faults do. */
  readonly clients: ReadonlyArray<Effect.Effect<void>>
  /** What is wrong on a node, seen as a client sees it. */
  readonly wrong: Effect.Effect<ReadonlyArray<string>, Failure, Services>
}

export type Begin = (scene: Scene) => Workload
