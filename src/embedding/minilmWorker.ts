/**
 * What runs in the thread of `minilm`: one text after the other through the model. It is a text and not a module of its own, so
 * that it is there wherever the program is, in one file or many. Anything that goes wrong ends the thread.
 */
export const source = `
const { parentPort, workerData } = require("node:worker_threads")
const ready = Promise.all([import(workerData.engine), import(workerData.model)])
  .then(([{ createEmbedder }, { default: model }]) => createEmbedder({ model }))
parentPort.on("message", async ({ port, text }) => {
  const [vector] = await (await ready).embed([text])
  port.postMessage(Float32Array.from(vector))
  port.close()
})
`
