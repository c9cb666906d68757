import * as Effect from "effect/Effect"
import type { Prng } from "../../test/simulation/prng.js"
import type { Daemon } from "./Daemon.js"
import type { Request } from "./Http.js"
import { type Call, insist, type Look, once, type Owned, type Scene } from "./Scene.js"

const HOT_TITLES = ["first", "second", "third"]
const MAX_ENDS = 5
/** Between two calls of one client. */
const THINK_MILLIS = 25

/** Every node has two clients with memories of their own; some meet at the same titles, and one relates what others wrote. */
export const all = (scene: Scene, chance: Prng): ReadonlyArray<Effect.Effect<void>> => [
  ...scene.mesh.nodes.flatMap((home) =>
    ["a", "b"].map((letter) => owning(scene, home, clientOf(`own-${home.name}${letter}`, chance)))
  ),
  ...contenders(scene, chance),
  linking(scene, clientOf("links", chance))
]

interface Client {
  readonly name: string
  readonly chance: Prng
  readonly key: () => string
}

const clientOf = (name: string, chance: Prng): Client => {
  let count = 0
  return { name, chance: chance.fork(name), key: () => `${name} ${count++}` }
}

const while_ = (scene: Scene, { chance }: Client, step: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.whileLoop({
    while: () => scene.isOn,
    body: () => Effect.zipRight(Effect.sleep(chance.exponential(THINK_MILLIS)), step),
    step: () => {}
  })

const post = (path: string, body: unknown): Request => ({ method: "POST", path: `/api/v1${path}`, body })
const put = (path: string, body: unknown): Request => ({ method: "PUT", path: `/api/v1${path}`, body })
const remove = (path: string, body?: unknown): Request => ({ method: "DELETE", path: `/api/v1${path}`, body })

/** Creates, updates, archives, restores and deletes memories that nobody else touches, and sends creates again. */
const owning = (scene: Scene, home: Daemon, client: Client): Effect.Effect<void> => {
  const { chance, name } = client
  const mine: Array<{ readonly memory: Owned; readonly created: Call & { readonly key: string } }> = []
  let number = 0
  const anywhere = (attempt: number) =>
    attempt > 0 && scene.goesElsewhere && chance.chance(0.4) ? chance.pick(scene.mesh.nodes) : home
  const create = Effect.suspend(() => {
    const title = `${name} ${number++}`
    const content = `content of ${title}`
    const created = {
      client: name,
      operation: "create",
      request: post("/memories", { title, content, namespace: "own", source: "chaos" }),
      key: client.key(),
      token: content
    }
    return Effect.map(insist(scene, chance, anywhere, created), (answer) => {
      if (answer.certainty !== "ok") return
      const id = String(answer.reply.body["id"])
      const memory: Owned = { id, title, home: home.name, may: [{ place: "visible", content }] }
      scene.owned.push(memory)
      mine.push({ memory, created })
    })
  })
  /** A change of one of them, that ends in a look. */
  const change = (memory: Owned, operation: string, request: Request, token: string | null, look: Look) => {
    const call = { client: name, operation, request, token, key: client.key() }
    const sent = chance.chance(0.8)
      ? insist(scene, chance, () => home, call)
      : once(scene, home, { ...call, key: null })
    return Effect.map(sent, (answer) => {
      if (answer.certainty === "ok") memory.may = [look, ...memory.may.slice(1)]
      // It may come at any time from now on, also after what is written then.
      if (answer.certainty === "info") memory.may = [...memory.may, look]
    })
  }
  const changeAny = Effect.suspend(() => {
    const { created, memory } = chance.pick(mine)
    const [now] = memory.may
    if (now === undefined || now.place === "gone") return again(created, memory)
    if (now.place === "archived") {
      return change(memory, "restore", post(`/archive/${memory.id}/restore`, undefined), null, {
        ...now,
        place: "visible"
      })
    }
    const what = chance.next()
    if (what < 0.55) {
      const content = `${memory.title} as of ${number++}`
      return change(memory, "update", put(`/memories/${memory.id}`, { content }), content, { ...now, content })
    }
    if (what < 0.7) {
      return change(memory, "archive", post("/archive", { ids: [memory.id] }), null, { ...now, place: "archived" })
    }
    if (what < 0.85) return again(created, memory)
    return change(memory, "delete", remove(`/memories/${memory.id}`), null, { ...now, place: "gone" })
  })
  /** The same create under the same key, here or elsewhere: it is the write that it was. */
  const again = (created: Call & { readonly key: string }, memory: Owned) =>
    Effect.map(
      once(scene, scene.goesElsewhere ? chance.pick(scene.mesh.nodes) : home, { ...created, operation: "again" }),
      (answer) => {
        if (answer.certainty !== "ok") return
        scene.tally.sentAgain++
        const id = String(answer.reply.body["id"])
        if (id !== memory.id) scene.wrong.push(`the key "${created.key}" made ${memory.id}, and sent again ${id}`)
      }
    )
  return while_(
    scene,
    client,
    Effect.suspend(() => mine.length === 0 || chance.chance(0.5) ? create : changeAny)
  )
}

/** Some clients want the same few titles, at all nodes: on both sides of a partition rules of merging decide. */
const contenders = (scene: Scene, chance: Prng): ReadonlyArray<Effect.Effect<void>> => {
  const known: Array<string> = []
  return ["a", "b"].map((letter) => contending(scene, clientOf(`hot-${letter}`, chance), known))
}

const contending = (scene: Scene, client: Client, known: Array<string>): Effect.Effect<void> => {
  const { chance, name } = client
  let number = 0
  const ask = (operation: string, request: Request, token: string | null) =>
    once(scene, chance.pick(scene.mesh.nodes), {
      client: name,
      operation,
      request,
      token,
      key: chance.chance(0.3) ? client.key() : null
    })
  return while_(
    scene,
    client,
    Effect.suspend(() => {
      const content = `${name} wrote this ${number++}`
      const id = known.length > 0 && chance.chance(0.6) ? chance.pick(known) : null
      if (id === null) {
        const on_conflict = chance.pick(["error", "merge", "version"])
        const title = chance.pick(HOT_TITLES)
        const request = post("/memories", { title, content, namespace: "hot", source: "chaos", on_conflict })
        return Effect.map(ask("hot create", request, content), (answer) => {
          if (answer.certainty === "ok") known.push(String(answer.reply.body["id"]))
        })
      }
      return Effect.asVoid(
        chance.chance(0.7)
          ? ask("hot update", put(`/memories/${id}`, { content, priority: chance.int(1, 10) }), content)
          : ask("hot delete", remove(`/memories/${id}`), null)
      )
    })
  )
}

/** Links between memories that not every node has yet, made and removed at all nodes. */
const linking = (scene: Scene, client: Client): Effect.Effect<void> => {
  const { chance, name } = client
  const ends: Array<string> = []
  let number = 0
  const ask = (operation: string, request: Request, key: string | null) =>
    once(scene, chance.pick(scene.mesh.nodes), { client: name, operation, request, token: null, key })
  return while_(
    scene,
    client,
    Effect.suspend(() => {
      if (ends.length < MAX_ENDS) {
        const request = post("/memories", {
          title: `end ${number++}`,
          content: "c",
          namespace: "links",
          source: "chaos"
        })
        return Effect.map(ask("end", request, client.key()), (answer) => {
          if (answer.certainty === "ok") ends.push(String(answer.reply.body["id"]))
        })
      }
      const body = { source_id: chance.pick(ends), target_id: chance.pick(ends) }
      return Effect.asVoid(
        chance.chance(0.6)
          ? ask("link", post("/links", body), client.key())
          : ask("unlink", remove("/links", body), client.key())
      )
    })
  )
}
