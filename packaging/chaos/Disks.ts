import Database from "better-sqlite3"
import * as fs from "node:fs"
import * as path from "node:path"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as dump from "../../test/simulation/dump.js"

/** The databases of the nodes, read beside the daemons that write them. */
export interface Disks {
  readonly dump: (node: string) => dump.Dump
  readonly facts: () => ReadonlyArray<dump.Facts>
  readonly progress: (node: string) => ReturnType<typeof dump.progress> | undefined
  /** Nodes on whose disk an operation is, or was when the disk was taken from them. */
  readonly holders: (opId: string) => ReadonlyArray<string>
  /** All nodes have the same operations. */
  readonly areEqual: () => boolean
  /** An online backup. */
  readonly copy: (node: string, to: string) => Promise<unknown>
  /** What is on the disk is lost: a file of `image` takes its place, or nothing. Files beside the database stay, if asked. */
  readonly replace: (
    node: string,
    image: string | null,
    beside: "kept" | "removed" | ReadonlyArray<string>
  ) => dump.Dump
  readonly close: () => void
}

export const FILE = "quorate.db"

export const make = (folders: ReadonlyMap<string, string>): Disks => {
  const open = new Map<string, Database.Database>()
  const destroyed = new Map<string, Set<string>>()
  const fileOf = (node: string) => path.join(folders.get(node) ?? "", FILE)
  const of = (node: string) => {
    const known = open.get(node)
    if (known !== undefined) return known
    const made = new Database(fileOf(node), { readonly: true, fileMustExist: true, timeout: 2_000 })
    open.set(node, made)
    return made
  }
  const release = (node: string) => {
    open.get(node)?.close()
    open.delete(node)
  }
  /** In one transaction, so that all that is read of a disk is of one moment. */
  const read = <A>(node: string, what: (db: Database.Database) => A): A => {
    const db = of(node)
    return db.transaction(() => what(db))()
  }
  const attempt = <A>(what: () => A): A | undefined => {
    try {
      return what()
    } catch {
      return undefined
    }
  }
  const names = [...folders.keys()]
  const progress = (node: string) => attempt(() => read(node, dump.progress))
  return {
    progress,
    dump: (node) => read(node, (db) => dump.dump(node, db)),
    facts: () => names.flatMap((node) => attempt(() => read(node, (db) => dump.facts(node, db))) ?? []),
    holders: (opId) =>
      names.filter((node) =>
        attempt(() => dump.holds(of(node), opId)) === true || destroyed.get(node)?.has(opId) === true
      ),
    areEqual: () => {
      const [first, ...rest] = names.map(progress)
      return first !== undefined &&
        rest.every((other) => other !== undefined && VersionVector.equals(first.vector, other.vector))
    },
    copy: (node, to) => of(node).backup(to),
    replace: (node, image, beside) => {
      const lost = read(node, (db) => dump.dump(node, db))
      const gone = destroyed.get(node) ?? new Set()
      for (const { op_id } of lost.log) gone.add(op_id)
      destroyed.set(node, gone)
      release(node)
      const folder = folders.get(node) ?? ""
      for (const name of fs.readdirSync(folder).filter((each) => each.startsWith(FILE))) {
        const isBeside = name !== FILE && !/-(wal|shm|journal)$/.test(name)
        if (!(isBeside && beside === "kept")) fs.rmSync(path.join(folder, name))
      }
      if (image !== null) fs.copyFileSync(image, fileOf(node))
      if (typeof beside !== "string") {
        for (const file of beside) fs.copyFileSync(file, path.join(folder, path.basename(file)))
      }
      return lost
    },
    close: () => {
      for (const node of names) release(node)
    }
  }
}
