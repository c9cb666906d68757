import { loseOne } from "./disks.js"
import type { Prng } from "./prng.js"
import type { SimNode } from "./SimNode.js"
import type { World } from "./World.js"

/** Lays out the faults of the whole safety phase: what begins when, and for how long. */
export const schedule = (world: World, from: number, to: number): void => {
  const { chance, options, timeline } = world
  for (let episode = 0; episode < options.episodes; episode++) {
    const begin = chance.between(from, to)
    const lasts = Math.min(chance.exponential(3_000) + 100, to - begin)
    const fault = chance.pick(FAULTS)
    timeline.after(begin - timeline.now, () => fault(world, chance, lasts))
  }
  if (options.swaps) timeline.after(chance.between(from, to) - timeline.now, () => swap(world, chance))
  if (options.fastClock) {
    timeline.after(chance.between(from, to - 500) - timeline.now, () => runAhead(world, chance))
  }
  if (options.leadingClock) lead(world, chance)
  // One disk may be lost only where a write is on two.
  if (options.lostDisk !== null && options.quorumWrites !== 1) loseOne(world, options.lostDisk, from, to)
}

/** Ends every fault: the mesh is whole again, all nodes run, and clocks are nearly right. */
export const heal = (world: World): void => {
  world.faulty = false
  world.network.heal()
  world.scheduler.nervous = false
  for (const node of world.nodes) {
    node.thaw()
    node.offsetMillis = skew(world.chance)
    if (node.process === null) world.restart(node)
  }
}

/** How far a clock that is kept in order is off. */
export const skew = (chance: Prng): number => chance.between(-2_000, 2_000)

type Fault = (world: World, chance: Prng, lastsMillis: number) => void

const partition: Fault = (world, chance, lasts) => {
  world.coverage.add("partitions")
  const side = world.nodes.filter(() => chance.chance(0.5))
  const other = world.nodes.filter((node) => !side.includes(node))
  const pairs = side.flatMap((a) => other.flatMap((b) => [[a, b] as const, [b, a] as const]))
  cutFor(world, pairs, lasts)
}

const oneWay: Fault = (world, chance, lasts) => {
  world.coverage.add("one-way cuts")
  const from = chance.pick(world.nodes)
  const to = chance.pick(world.nodes.filter((node) => node !== from))
  cutFor(world, [[from, to]], lasts)
}

const isolation: Fault = (world, chance, lasts) => {
  world.coverage.add("partitions")
  const alone = chance.pick(world.nodes)
  const others = world.nodes.filter((node) => node !== alone)
  cutFor(world, others.flatMap((other) => [[alone, other] as const, [other, alone] as const]), lasts)
}

const flapping: Fault = (world, chance, lasts) => {
  const turns = chance.int(2, 4)
  for (let turn = 0; turn < turns; turn++) {
    world.timeline.after(turn * lasts / turns, () => isolation(world, chance, lasts / turns / 2))
  }
}

const cutFor = (world: World, pairs: ReadonlyArray<readonly [SimNode, SimNode]>, lasts: number) => {
  for (const [from, to] of pairs) world.network.cutOff(from.name, to.name)
  world.timeline.after(lasts, () => {
    for (const [from, to] of pairs) world.network.restore(from.name, to.name)
  })
}

const freeze: Fault = (world, chance, lasts) => {
  world.coverage.add("freezes")
  const node = chance.pick(world.nodes)
  world.soon(() => {
    node.freeze()
    const at = world.timeline.now
    world.note({ type: "frozen", at, node: node.name, from: at, to: at + lasts })
    world.timeline.after(lasts, () => node.thaw())
  })
}

const kill: Fault = (world, chance) => {
  const node = chance.pick(world.nodes)
  world.soon(() => world.crash(node, "killed"))
}

const powerLoss: Fault = (world, chance) => {
  const node = chance.pick(world.nodes)
  world.soon(() => world.crash(node, "power lost"))
}

const blackout: Fault = (world) => {
  world.soon(() => {
    for (const node of world.nodes) world.crash(node, "power lost")
  })
}

const stop: Fault = (world, chance) => {
  const node = chance.pick(world.nodes)
  world.soon(() => {
    // One that is asked to end while its layers are being built may never do so: Effect waits for the layer it gave up.
    if (node.runtime === null || node.process?.frozen === true) return
    world.coverage.add("stops")
    node.stop()
  })
}

const clockJump: Fault = (world, chance, lasts) => {
  world.coverage.add("clock jumps")
  const node = chance.pick(world.nodes)
  const before = node.offsetMillis
  node.offsetMillis += chance.chance(0.25) ? chance.pick([-90_000, 90_000]) : chance.between(-5_000, 5_000)
  setRight(world, node, before, lasts)
}

/** Sets a clock back to what it was. Once the faults are over it was set right already. */
const setRight = (world: World, node: SimNode, offsetMillis: number, afterMillis: number) => {
  world.timeline.after(afterMillis, () => {
    if (world.faulty) node.offsetMillis = offsetMillis
  })
}

/** Two nodes are started anew elsewhere, each where the other was. */
const swap = (world: World, chance: Prng): void => {
  const one = chance.pick(world.nodes)
  const other = chance.pick(world.nodes.filter((node) => node !== one))
  for (const node of [one, other]) world.crash(node, "killed")
  if (one.process === null && other.process === null) world.swap(one, other)
}

/** How far ahead a stamp may be. */
const MAX_DRIFT_MILLIS = 60_000

/** A clock goes before all others, so far that one of them would still take its stamps and another one not. */
const lead = (world: World, chance: Prng): void => {
  world.coverage.add("leading clocks")
  const node = chance.pick(world.nodes)
  const others = world.nodes.filter((other) => other !== node).map(({ offsetMillis }) => offsetMillis)
  node.offsetMillis = MAX_DRIFT_MILLIS + chance.between(Math.min(...others), Math.max(...others))
}

/** A clock is set wrong by hours, and then right. */
const runAhead = (world: World, chance: Prng): void => {
  world.coverage.add("clocks hours ahead")
  const node = chance.pick(world.nodes)
  const before = node.offsetMillis
  node.offsetMillis += chance.pick([600_000, 7_200_000, 86_400_000])
  setRight(world, node, before, chance.between(300, 2_000))
}

/** A start costs the simulation as much as a dozen writes: what ends a process is rarer than what cuts it off. */
const FAULTS: ReadonlyArray<Fault> = [
  partition,
  partition,
  partition,
  isolation,
  isolation,
  oneWay,
  oneWay,
  flapping,
  freeze,
  freeze,
  clockJump,
  clockJump,
  kill,
  kill,
  powerLoss,
  stop,
  blackout
]
