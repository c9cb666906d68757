import type { Options } from "../options.js"

/** One place of the sources, found exactly once, and what stands there in the mutant. */
export interface Edit {
  /** Below `src`. */
  readonly file: string
  readonly search: string
  readonly replace: string
}

/** A bug that the simulation must find. */
export interface Mutant {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
  /** One of these rules must say so; what each begins with. */
  readonly rules: ReadonlyArray<string>
  /** It is found within so many seeds. */
  readonly seeds: number
  /** What the bug needs to show itself more often than by chance. */
  readonly focus?: Partial<Options>
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "an ack on a bare 2xx, whatever became of the operation",
    edits: [{
      file: "federation/wire/Outcome.ts",
      search: "      return refused(\n        (why ??",
      replace: "      return held(by)\n      refused(\n        (why ??"
    }],
    rules: ["I1", "I14"],
    seeds: 20,
    focus: { workloads: ["bursts"], thinkMillis: 200 }
  },
  {
    name: "acks counted by address and not by node",
    edits: [
      {
        file: "federation/link/PeerLinks.ts",
        search: "owner.peer.url !== url && owner.status()",
        replace: "owner.peer.url === null && owner.status()"
      },
      {
        file: "replication/AckTracker.ts",
        search: "tracker.acked.includes(peerId) ? tracker : {",
        replace: "false ? tracker : {"
      }
    ],
    rules: ["I1"],
    seeds: 20,
    focus: { aliased: true, quorumWrites: null }
  },
  {
    name: "an answer before COMMIT",
    edits: [{
      file: "store/log/Committer.ts",
      search: "const operations = ledger.finish()",
      replace: "const operations = ledger.finish()\n    for (const answer of answers) answer()"
    }],
    rules: ["I1", "I2", "I3"],
    seeds: 20,
    focus: { disk: { full: 0.05, error: 0.02, crash: 0.02 } }
  },
  {
    name: "PRAGMA synchronous = NORMAL",
    edits: [
      { file: "store/log/Sqlite.ts", search: `"synchronous = FULL"`, replace: `"synchronous = NORMAL"` },
      { file: "store/log/Sqlite.ts", search: "synchronous: 2", replace: "synchronous: 1" }
    ],
    rules: ["I1"],
    seeds: 5
  },
  {
    name: "the vector written in the transaction after",
    edits: [
      {
        file: "store/log/OpLog.ts",
        search: "for (const of of dirty) writeVector(state, of)",
        replace: "for (const of of late.get(writer) ?? []) writeVector(state, of)\n" +
          "      late.set(writer, dirty)"
      },
      {
        file: "store/log/OpLog.ts",
        search: "export const readVector =",
        replace: "const late = new WeakMap()\nexport const readVector ="
      }
    ],
    rules: ["I9", "I7"],
    seeds: 10
  },
  {
    name: "catch-up by a cursor of wall clock time",
    edits: [{
      file: "store/MemoryStore.ts",
      search: "AND oseq BETWEEN ${from} AND ${to}",
      replace:
        "AND hlc > ${Stamp.fromMillis(clock.unsafeCurrentTimeMillis() - 5_000)} AND oseq BETWEEN ${from} AND ${to}"
    }],
    rules: ["I4", "I2"],
    seeds: 20
  },
  {
    name: "a strict > in paging",
    edits: [{
      file: "store/MemoryStore.ts",
      search: "oseq BETWEEN ${from} AND ${to}",
      replace: "oseq > ${from} AND oseq <= ${to}"
    }],
    rules: ["I4", "I2"],
    seeds: 20
  },
  {
    name: "merge by order of arrival",
    edits: [{
      file: "store/state/Slice.ts",
      search: "a.hlc !== b.hlc ? a.hlc > b.hlc : a.origin !== b.origin ? a.origin > b.origin : a.hash > b.hash",
      replace: "a.hlc !== undefined"
    }],
    rules: ["I4", "I5"],
    seeds: 30,
    focus: { workloads: ["hotSlots"] }
  },
  {
    name: "max() on priority",
    edits: [{
      file: "store/state/save.ts",
      search: "        memory.priority,\n",
      replace:
        "      Math.max(memory.priority, Number(writer.prepare(\"SELECT max(json_extract(body, '$.priority')) FROM oplog \" +\n" +
        "        \"WHERE entity = ? AND kind = 'store'\").pluck().get(memory.id) ?? 0)),\n"
    }],
    rules: ["I5", "ownSlot"],
    seeds: 10,
    focus: { workloads: ["ownSlot"] }
  },
  {
    name: "a delete without covers",
    edits: [{ file: "operations/memories/remove.ts", search: "covers: now.endable(held)", replace: "covers: []" }],
    rules: ["ownSlot"],
    seeds: 10,
    focus: { workloads: ["ownSlot"] }
  },
  {
    name: "sequences used again after a restore",
    edits: [
      { file: "store/log/checkMarks.ts", search: "if (why !== null) {", replace: "if (false) {" },
      { file: "store/ownName.ts", search: "          log.renewIncarnation()\n", replace: "" },
      { file: "store/ownName.ts", search: "Either.right(log.renewIncarnation())", replace: "Either.void" },
      { file: "store/receiving.ts", search: "  log.renewIncarnation()\n", replace: "" },
      { file: "store/reissuing.ts", search: "log.renewIncarnation()", replace: "void 0" }
    ],
    rules: ["I8", "I4", "I2"],
    seeds: 40,
    focus: { lostDisk: "older", safetySeconds: 12, workloads: ["uniqueAdds", "bursts"], thinkMillis: 400 }
  },
  {
    name: "stragglers cancelled on an early decision",
    edits: [
      {
        file: "federation/quorumFanout.ts",
        search: "let decided = false",
        replace: "let decided = false\n  const sends = []"
      },
      {
        file: "federation/quorumFanout.ts",
        search: "const fiber = run(",
        replace: "const fiber = sends[index] = run("
      },
      {
        file: "federation/quorumFanout.ts",
        search: "      decided = true\n",
        replace: "      decided = true\n      for (const fiber of sends) fiber.unsafeInterruptAsFork(fiber.id())\n"
      },
      {
        file: "federation/link/PeerLink.ts",
        search:
          "if (queue.offer(items, (outcomes) => resume(answerOf(outcomes)), isAhead)) return machine.tell({ _tag: \"wanted\" })\n",
        replace: "if (queue.offer(items, (outcomes) => resume(answerOf(outcomes)))) {\n" +
          "      machine.tell({ _tag: \"wanted\" })\n      return Effect.sync(() => queue.withdraw(items))\n    }\n"
      },
      {
        file: "federation/link/PeerQueue.ts",
        search: "size: () => queue.length",
        replace:
          "withdraw: (items) => {\n        queue = queue.filter(({ item }) => !items.includes(item))\n      },\n" +
          "      size: () => queue.length"
      }
    ],
    rules: ["stragglers go on"],
    seeds: 30,
    focus: { calm: true, quorumWrites: 2, traced: false }
  },
  {
    name: "an ack uncounted that the backfill brings",
    edits: [{
      file: "federation/link/Delivery.ts",
      search: "        heard(client.peer, batch, outcomes)\n",
      replace: ""
    }],
    rules: ["counted in time"],
    seeds: 40,
    focus: { slowShare: 0.8, swaps: false }
  },
  {
    name: "an ack uncounted that an earlier attempt brings",
    edits: [{
      file: "federation/attempts.ts",
      search: "sendings.map((sending) => known.underWay.get(target)?.get(sending.operation.opId))",
      replace: "sendings.map((): Attempt | undefined => undefined)"
    }],
    rules: ["counted in time"],
    seeds: 45,
    focus: { slowShare: 0.97, swaps: false, quorumWrites: 3, thinkMillis: 900 }
  },
  {
    name: "an ack forgotten that came when nobody waited",
    edits: [{
      file: "federation/attempts.ts",
      search: "if (ack !== undefined && holds(operation, ack.by)) acks.set(url, ack)",
      replace: "void acks"
    }],
    rules: ["counted in time"],
    seeds: 45,
    focus: { slowShare: 0.8, swaps: false }
  },
  {
    name: "a late ack counted",
    edits: [{
      file: "federation/quorumFanout.ts",
      search: "Effect.sleep(left)",
      replace: "Effect.sleep(Duration.times(left, 3))"
    }],
    rules: ["in time"],
    seeds: 20
  },
  {
    name: "W = ⌈N/2⌉",
    edits: [{
      file: "replication/QuorumPolicy.ts",
      search: "Math.floor(n / 2) + 1",
      replace: "Math.ceil(n / 2)"
    }],
    rules: ["I1"],
    seeds: 10,
    focus: { nodes: 4, quorumWrites: null }
  },
  {
    name: "the idempotency key ignored",
    edits: [{
      file: "store/localWrites.ts",
      search: "const earlier = idempotency === null ? [] : yield* log.byKey(idempotency.keyHash)",
      replace: "const earlier = []"
    }],
    rules: ["I11", "ownSlot"],
    seeds: 20
  },
  {
    name: "a decision executed under a random id",
    edits: [{
      file: "store/deciding/governed.ts",
      search: "`pending ${pendingId}`",
      replace: "`pending ${pendingId} ${globalThis.executions = (globalThis.executions ?? 0) + 1}`"
    }],
    rules: ["I13", "votes"],
    seeds: 60,
    focus: { workloads: ["votes"], thinkMillis: 400 }
  },
  {
    name: "an approval answered before its decision has a quorum",
    edits: [{
      file: "operations/governance/decide.ts",
      search: "[...written, ...writtenBefore(trace, agentId)].map(",
      replace: "(written.length > 0 ? written : writtenBefore(trace, agentId)).map("
    }],
    rules: ["I1"],
    seeds: 40,
    focus: { workloads: ["votes"], thinkMillis: 400 }
  },
  {
    name: "a peer that is wanted as soon as it is lost is never greeted again",
    edits: [{
      file: "federation/link/lanes.ts",
      search: "Effect.zipRight(Effect.sleep(pause), machine.until(LinkState.wasHeard))",
      replace: "Effect.zip(machine.until(LinkState.wasHeard), Effect.sleep(pause), { concurrent: true })"
    }],
    rules: ["I4"],
    seeds: 50,
    focus: { safetySeconds: 9, workloads: ["firstWrites", "uniqueAdds", "bursts"], thinkMillis: 400 }
  }
]
