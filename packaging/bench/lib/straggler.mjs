// What clients notice when one of three nodes stands still with its connections open, and when it is gone.
import { withMesh } from "./mesh.mjs"

export const CLIENTS = 64
const THIRD = 2
const EQUAL_AGAIN_WITHIN_MS = 90_000

/** One mesh: healthy, the third node stopped in its tracks, all equal again, the third node killed. */
export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (warmUp, running) => {
    await warmUp(CLIENTS, options.warmUp)
    const cell = async (peer) => {
      const { errors, p50, p99, perSecond } = await running.load(CLIENTS, options.seconds)
      return { peer, writesPerSecond: perSecond, p50, p99, errors }
    }
    const healthy = await cell("healthy")
    await running.rest()
    running.pause(THIRD)
    const stopped = await cell("stopped")
    running.goOn(THIRD)
    await running.rest(EQUAL_AGAIN_WITHIN_MS)
    await running.stop(THIRD)
    return [healthy, stopped, await cell("killed")]
  })
