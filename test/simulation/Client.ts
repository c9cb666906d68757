import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Caller } from "../../src/operations/writing/Written.js"
import type { Prng } from "./prng.js"
import type { Services, SimNode } from "./SimNode.js"
import type { Answer, Failure, World } from "./World.js"

/** A call as a workload writes it. With a key it may be repeated, here or at another node, and is one write. */
export interface Ask<A, E extends Failure> {
  readonly operation: string
  readonly token?: string
  readonly effect: (caller: Caller) => Effect.Effect<A, E, Services>
  /** Failures that pass, because a node may not yet have what this write needs. */
  readonly passing?: ReadonlyArray<string>
}

/** Answers after which a client tries again, for the write was not done. */
const PASSING: ReadonlySet<string> = new Set(["Refused", "LocalWriteFailed", "Overloaded", "ClockSkewed"])

/** One client of the mesh, with its own chance. It knows only what it was answered. */
export class Client {
  readonly name: string
  readonly chance: Prng
  private readonly world: World
  private keys = 0

  constructor(world: World, name: string, chance: Prng) {
    this.world = world
    this.name = name
    this.chance = chance
  }

  node(): SimNode {
    return this.chance.pick(this.world.nodes)
  }

  pause(meanMillis: number): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(this.chance.exponential(meanMillis)))
  }

  newKey(): string {
    return `${this.name} ${this.keys++}`
  }

  /** One attempt. */
  once<A, E extends Failure>(node: SimNode, ask: Ask<A, E>, key: string | null = null): Effect.Effect<Answer<A>> {
    const { chance, world } = this
    const caller = { agentId: Option.some(this.name), idempotencyKey: Option.fromNullable(key) }
    const call = {
      client: this.name,
      operation: ask.operation,
      key,
      token: ask.token ?? null,
      effect: ask.effect(caller)
    }
    return Effect.async((resume) => {
      world.call(node, call, {
        patienceMillis: chance.between(0.5, 3) * world.options.ackMillis + 200,
        hangsUp: chance.chance(0.3),
        losesAnswer: world.faulty && chance.chance(0.03)
      }, (answer) => resume(Effect.succeed(answer)))
    })
  }

  /** Repeats one write under one key until it is certain or given up, at the given nodes or at any. */
  insist<A, E extends Failure>(
    ask: Ask<A, E>,
    at: () => SimNode = () => this.node(),
    attempts = Number.POSITIVE_INFINITY
  ): Effect.Effect<Answer<A>> {
    const key = this.newKey()
    const attempt = (isDoubtful: boolean, left: number): Effect.Effect<Answer<A>> =>
      Effect.flatMap(Effect.suspend(() => this.once(at(), ask, key)), (answer) => {
        const isPassing = answer.certainty === "fail" &&
          (PASSING.has(answer.error) || ask.passing?.includes(answer.error) === true)
        if (left > 1 && (answer.certainty === "info" || isPassing)) {
          this.world.coverage.add("retries")
          return Effect.zipRight(this.pause(500), attempt(isDoubtful || answer.certainty === "info", left - 1))
        }
        // An attempt of unknown outcome may have done what a later one was refused.
        return Effect.succeed(answer.certainty === "fail" && isDoubtful ? { certainty: "info" } : answer)
      })
    return attempt(false, attempts)
  }
}
