import { Origin } from "../../src/domain/ids.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as dump from "./dump.js"
import type { LostDisk } from "./options.js"
import type { Prng } from "./prng.js"
import type { Copy } from "./SimDisk.js"
import type { SimNode } from "./SimNode.js"
import type { World } from "./World.js"

/** A copy of a disk, and how far the node had written when it was made. */
interface Backup {
  readonly copy: Copy
  readonly origin: Origin
  readonly upto: number
}

/** Copies of a disk that are kept, the newest of all that were made. */
const MAX_BACKUPS = 12
const BACKUP_EVERY_MILLIS = 350

/** One node loses its disk at some moment, and goes on with something else. */
export const loseOne = (world: World, kind: LostDisk, from: number, to: number): void => {
  const { chance, timeline } = world
  const node = chance.pick(world.nodes)
  const backups: Array<Backup> = []
  const backUp = () => {
    if (!world.faulty) return
    backups.push(backupOf(node))
    if (backups.length > MAX_BACKUPS) backups.splice(chance.int(0, MAX_BACKUPS - 1), 1)
    timeline.after(chance.exponential(BACKUP_EVERY_MILLIS), backUp)
  }
  const lose = () => {
    if (!world.faulty) return
    world.crash(node, "killed")
    const copy = node.process === null ? successorOf(world, node, kind, backups) : null
    if (copy === null) return void timeline.after(chance.exponential(1_000), lose)
    world.putBack(node, copy, kind)
    if (chance.chance(0.5)) hide(world, node, chance)
  }
  backUp()
  timeline.after(chance.between(from, to) - timeline.now, lose)
}

const backupOf = (node: SimNode): Backup => {
  const { incarnation, vector } = node.disk.read(dump.progress)
  const origin = Origin.make(`${node.name}/${incarnation}`)
  return { copy: node.disk.copy(), origin, upto: VersionVector.upto(vector, origin) }
}

/** What the node goes on with; null when there is nothing of the kind yet. */
const successorOf = (world: World, node: SimNode, kind: LostDisk, backups: ReadonlyArray<Backup>): Copy | null => {
  const { chance } = world
  const others = world.nodes.filter((other) => other !== node)
  switch (kind) {
    case "emptied":
      return { image: world.image, mark: undefined, tide: null }
    case "cloned": {
      const other = chance.pick(others)
      return other.disk.copy()
    }
    default: {
      const fitting = backups.filter(({ copy }) =>
        kind === "folder" || node.disk.wasStartedSince(copy) === (kind === "older")
      )
      // What none of the others can tell by how far it goes: it ends inside of what they lack.
      const hidden = fitting.filter((backup) => {
        const held = others.map((other) => heldBy(other, backup))
        return held.every(({ upto }) => upto <= backup.upto) &&
          held.some(({ beyond }) => beyond.some(([, end]) => end > backup.upto))
      })
      const some = hidden.length > 0 ? hidden : fitting
      const picked = some.length > 0 ? chance.pick(some) : null
      if (picked === null) return null
      if (hidden.length > 0) world.coverage.add("backups that end in a gap")
      // What stands beside a database is no part of a backup of it.
      return kind === "folder" ? picked.copy : { ...node.disk.copy(), image: picked.copy.image }
    }
  }
}

const heldBy = (other: SimNode, { origin }: Backup): VersionVector.Entry =>
  VersionVector.entry(other.disk.read(dump.progress).vector, origin)

/** For a while nobody can tell the node what it wrote before. */
const hide = (world: World, node: SimNode, chance: Prng): void => {
  const others = world.nodes.filter((other) => other !== node)
  const pairs = others.flatMap((other) => [[node, other], [other, node]] as const)
  for (const [a, b] of pairs) world.network.cutOff(a.name, b.name)
  world.timeline.after(chance.exponential(2_000), () => {
    for (const [a, b] of pairs) world.network.restore(a.name, b.name)
  })
}
