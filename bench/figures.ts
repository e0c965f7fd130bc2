/** What is measured. */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Proxy from "../test/client/proxy.ts"
import type { Measured } from "./generator.ts"
import * as Hostile from "./hostile.ts"
import { drive, type Driven } from "./ipc.ts"
import type * as Library from "./library.ts"
import { residentBytes } from "./proc.ts"
import { alone, connect, type Figure, perDelivery, perSecond, rounds, type Run, sit, turned } from "./rounds.ts"
import {
  builds,
  type Bundle,
  bundle,
  evaluate,
  moduleOf,
  open,
  openSource,
  type Subject,
  type Target,
  workers
} from "./servers.ts"
import { median } from "./summary.ts"

const echo: Figure = {
  name: "echo",
  title: "Echo",
  work: "one client's message, answered to itself, one in flight",
  seconds: { quick: 20, full: 130 },
  measure: (run) =>
    rounds(run, {
      sittings: 3,
      rounds: run.quick ? 3 : 7,
      prepare: async (target) => {
        await connect(target, "echo", 1)
        // Until the compiler has seen the path often, its figures are about the interpreter.
        await target.call("echo", { room: "echo", messages: run.quick ? 10_000 : 20_000 })
      },
      measure: async (target, round) => {
        const { name } = target.subject
        const result = await target.call("echo", { room: "echo", messages: run.quick ? 2_000 : 5_000 })
        run.record("", "CPU µs", name, round, perDelivery(result))
        run.record("", "p50 µs", name, round, result.p50 * 1000)
        run.record("", "p99 µs", name, round, result.p99 * 1000)
      }
    })
}

const stateBytes = 5_000

const delivery: Figure = {
  name: "delivery",
  title: "Delivery",
  work: "300 clients, one message at a time to all, waiting for the last one; without state and with 5 KB a connection",
  seconds: { quick: 25, full: 130 },
  measure: (run) =>
    rounds(run, {
      sittings: run.quick ? 2 : 3,
      rounds: run.quick ? 3 : 7,
      prepare: async (target) => {
        await connect(target, "bare", 300)
        await target.call("deliver", { room: "bare", messages: 20 })
        if (!target.subject.state) return
        await connect(target, "state", 300, stateBytes)
        await target.call("deliver", { room: "state", messages: 20 })
      },
      measure: async (target, round) => {
        const settings = [["bare", "no state"], ["state", "5 KB of state"]] as const
        // The two take turns to be first.
        for (const [room, setting] of round % 2 === 0 ? settings : settings.toReversed()) {
          if (room === "state" && !target.subject.state) continue
          await target.call("deliver", { room, messages: 3 })
          const result = await target.call("deliver", { room, messages: run.quick ? 30 : 60 })
          run.record(setting, "CPU µs", target.subject.name, round, perDelivery(result))
        }
      }
    })
}

const burst: Figure = {
  name: "burst",
  title: "Burst",
  work:
    "2,000 messages to 100 clients, 200 to 1,000 (a quick run: 400 and 40, unless they are joined), as fast as one client can send",
  seconds: { quick: 45, full: 300 },
  measure: (run) => {
    // A short run sends fewer messages; how many clients there are is what matters.
    const settings = [[100, 2_000], [1_000, 200]] as const
    return rounds(run, {
      sittings: 2,
      rounds: run.quick ? 1 : 3,
      prepare: async (target) => {
        for (const [clients] of settings) {
          await connect(target, String(clients), clients)
          await target.call("burst", { room: String(clients), messages: 10, perFrame: 1 })
        }
      },
      measure: async (target, round) => {
        for (const [clients, all] of settings) {
          const { name, ndjson } = target.subject
          // Joined, all of them take less time than a few that are not.
          const messages = run.quick && !ndjson ? all / 5 : all
          const setting = `${clients} clients`
          await target.call("deliver", { room: String(clients), messages: 2 })
          // Whoever speaks ndjson may join what it sends, and one that sends as fast as it can does.
          const perFrame = ndjson ? 50 : 1
          const result = await target.call("burst", { room: String(clients), messages, perFrame })
          run.record(setting, "deliveries/s", name, round, perSecond(result))
          run.record(setting, "CPU µs", name, round, perDelivery(result))
          run.record(setting, "generator busy %", name, round, result.busy * 100)
        }
      }
    })
  }
}

const talkers: Figure = {
  name: "talkers",
  title: "Many talkers",
  work: "200 clients that each send 10 messages a second to all: 400,000 deliveries a second are asked for",
  seconds: { quick: 30, full: 130 },
  measure: (run) =>
    // A server that falls behind carries its backlog into the next round: each round has a new one.
    alone(run, run.quick ? 2 : 5, async (target, round) => {
      const { name } = target.subject
      await connect(target, "talk", 200)
      await target.call("burst", { room: "talk", messages: 10, perFrame: 1 })
      const result = await target.call("talk", { room: "talk", perSecond: 10, seconds: run.quick ? 1.5 : 3 })
      run.record("", "deliveries/s", name, round, perSecond(result))
      run.record("", "CPU µs", name, round, perDelivery(result))
      run.record("", "p50 ms", name, round, result.p50)
      run.record("", "p99 ms", name, round, result.p99)
      run.record("", "generator busy %", name, round, result.busy * 100)
    })
}

/** workerd lets an object sleep after ten seconds, and looks every so often. */
const idle = 11_500

/** What wakes, in sittings of some sleeps each: rooms with so many clients, and so many of a size. */
const wakes = async (
  run: Run,
  sizes: ReadonlyArray<readonly [clients: number, count: number]>,
  sittings: number,
  each: number
): Promise<void> => {
  const all = sizes.flatMap(([clients, count]) =>
    Array.from({ length: count }, (_, copy) => ({ clients, count, copy, room: `${clients}-${copy}` }))
  )
  const steps = sittings * (each + 1)
  for (let sitting = 0; sitting < sittings; sitting++) {
    const progress = (i: number, what: string) =>
      run.progress((sitting * (each + 1) + i + 1) / steps, `${what}, sitting ${sitting + 1} of ${sittings}`)
    await sit(run.subjects, sitting, async (target) => {
      progress(-1, `connecting to ${target.subject.title}`)
      for (const { clients, room } of all) await connect(target, room, clients)
    }, async (targets) => {
      // The first wake of a process is not like the others: it is not counted.
      for (let i = -1; i < each; i++) {
        const round = sitting * each + i
        const born = new Map<string, string>()
        for (const target of targets) {
          for (const { room } of all) born.set(target.subject.name + room, await target.call("born", { room }))
        }
        progress(i, "all rooms fall asleep")
        await sleep(idle)
        for (const [at, { clients, copy, count, room }] of all.entries()) {
          for (const target of turned(targets, at + i + 1)) {
            const { name, title } = target.subject
            const result = await target.call("wake", { room })
            if (await target.call("born", { room }) === born.get(name + room)) {
              throw new Error(`${title} did not hibernate in ${idle / 1000} s with ${clients} sockets`)
            }
            if (i < 0) continue
            run.record(`${clients} sockets`, "ms", name, round * count + copy, result.wall)
            run.record(`${clients} sockets`, "CPU ms", name, round * count + copy, result.cpu / 1000)
          }
        }
      }
    })
  }
}

const wake: Figure = {
  name: "wake",
  title: "Wake",
  work: "the round trip of the first message after a hibernation, with 1, 100 and 1,000 sockets in the room",
  seconds: { quick: 55, full: 140 },
  measure: (run) => wakes(run, [[1, 4], [100, 2], [1_000, 2]], run.quick ? 2 : 3, run.quick ? 1 : 2)
}

/** Not one of those that are written down: it is asked for by itself, to see what a change costs. */
export const against = (commit: string): Figure => ({
  name: "against",
  title: "Wake of two builds",
  work: `the wake of the seed example with 1 socket, at ${commit} and as it is here`,
  seconds: { quick: 210, full: 520 },
  measure: async (run) => {
    // What a process is lucky or unlucky with is the same in all of its rooms, so there are many processes.
    const sittings = run.quick ? 8 : 20
    const rooms = 40
    const costs = new Map<string, Array<number>>()
    const record: Run["record"] = (setting, metric, subject, round, value) => {
      run.record(setting, metric, subject, round, value)
      const values = costs.get(subject + metric) ?? []
      values[round] = value
      costs.set(subject + metric, values)
    }
    await wakes({ ...run, record, subjects: await builds(commit) }, [[1, rooms]], sittings, 1)
    for (const metric of ["ms", "CPU ms"]) {
      const ratios = costs.get(`this${metric}`)!.map((value, round) => value / costs.get(`other${metric}`)![round]!)
      for (let sitting = 0; sitting < sittings; sitting++) {
        const ratio = median(ratios.slice(sitting * rooms, (sitting + 1) * rooms))
        run.record("1 sockets", `${metric}, the ratios of each process`, "this", sitting, ratio)
      }
    }
  }
})

/** How many lookups are timed together, so that each measurement takes some tens of milliseconds. */
const lookups = (found: number) => Math.max(40, Math.round(40_000 / (1 + found / 4)))

const growth: Figure = {
  name: "growth",
  title: "Growth",
  work: "the cost of a delivery, and of a lookup by id, by user and by label, while the room grows",
  seconds: { quick: 35, full: 210 },
  measure: async (run) => {
    const sizes = run.quick ? [10, 100, 1_000] : [10, 100, 1_000, 5_000]
    const [sittings, each] = run.quick ? [3, 1] : [2, 3]
    const steps = sittings * sizes.length * run.subjects.length * (each + 1)
    let step = 0
    const look = async (target: Target, clients: number, record: (metric: string, micros: number) => void) => {
      // Ten connections carry the label "few", whatever the size; all others carry "many".
      for (
        const [what, by, key, found] of [
          ["by id", "id", "", 1],
          ["by user", "user", "u1", 1],
          ["by label, 10 found", "label", "few", 10],
          ["by label, all others found", "label", "many", clients - 10]
        ] as const
      ) {
        if (found === 0) continue
        const times = lookups(found)
        const result = await target.call("find", { room: "growth", by, key, times })
        if (result.found !== found) {
          throw new Error(`${target.subject.title} found ${result.found} connections ${what}, not ${found}`)
        }
        record(`lookup ${what}, µs`, result.cpu / times)
      }
    }
    for (let sitting = 0; sitting < sittings; sitting++) {
      await sit(run.subjects, sitting, async () => {}, async (targets) => {
        for (const clients of sizes) {
          for (const target of targets) {
            run.progress(step++ / steps, `${target.subject.title} grows to ${clients} clients`)
            await connect(target, "growth", clients)
            await target.call("deliver", { room: "growth", messages: 2 })
            // The smallest room comes first, and is not to be what pays for code that is new.
            if (target.subject.find && clients === sizes[0]) await look(target, clients, () => {})
          }
          for (let i = 0; i < each; i++) {
            const round = sitting * each + i
            for (const target of turned(targets, i)) {
              const { find, name, title } = target.subject
              run.progress(step++ / steps, `${title}, ${clients} clients, round ${round + 1} of ${sittings * each}`)
              await target.call("deliver", { room: "growth", messages: 1 })
              const result = await target.call("deliver", {
                room: "growth",
                messages: Math.max(3, Math.ceil((run.quick ? 8_000 : 10_000) / clients))
              })
              const record = (metric: string, value: number) =>
                run.record(`${clients} clients`, metric, name, round, value)
              record("CPU µs", perDelivery(result))
              if (!find) continue
              // What the broadcast left to tidy up must not be charged to the first lookup.
              await sleep(50)
              await target.call("find", { room: "growth", by: "id", key: "", times: 2_000 })
              await look(target, clients, record)
            }
          }
        }
      })
    }
  }
}

/** How many clients there are beside the one that does its worst. */
const bystanders = 50

const hostile: Figure = {
  name: "hostile",
  title: "One client against all",
  work: "the echoes of 50 clients in turn, one in flight, before another one does its worst and meanwhile",
  seconds: { quick: 55, full: 140 },
  measure: async (run) => {
    const count = run.quick ? 2 : 4
    const guarded = await doing(run, { dormouse: "guarded", ndjson: "guarded" })
    const all = [
      ...run.subjects.filter(({ peer }) => !peer),
      ...guarded.map((subject) => ({ ...subject, name: subject.ndjson ? "guarded ndjson" : "guarded" }))
    ]
    for (const [at, deed] of Hostile.names.entries()) {
      const progress = (done: number, what: string) =>
        run.progress((at + done) / Hostile.names.length, `${deed}: ${what}`)
      // What a flood leaves behind takes seconds to be dealt with: each has a new server.
      await alone({ ...run, subjects: all, progress }, count, async (target, round) => {
        const { name, ndjson, title } = target.subject
        // They take turns, so that no limit of a connection stops one of them.
        const echo = { room: "hostile", messages: 2_000, seconds: run.quick ? 1 : 2, speakers: bystanders }
        await connect(target, "warm", bystanders)
        await connect(target, "hostile", bystanders)
        await target.call("echo", { ...echo, room: "warm", messages: 5_000 })
        // A process of its own, which may be as busy as it likes: in the bystanders' one it would delay what they hear.
        const foe = target.another()
        try {
          const quiet = await target.call("echo", echo)
          await foe.call("attack", { room: "hostile", ndjson, deed })
          await sleep(200)
          const attacked = await target.call("echo", echo)
          const { closed, frames, seconds } = await foe.call("desist", undefined)
          if (frames === 0) throw new Error(`${title} was not attacked with ${deed}`)
          run.record(deed, "echo p50 ms, quiet", name, round, quiet.p50)
          run.record(deed, "echo p50 ms, attacked", name, round, attacked.p50)
          run.record(deed, "attacked to quiet", name, round, attacked.p50 / quiet.p50)
          run.record(deed, "echo p99 ms, attacked", name, round, attacked.p99)
          run.record(deed, "hostile frames/s", name, round, frames / seconds)
          run.record(deed, "closed/s", name, round, closed / seconds)
        } finally {
          await foe.close()
        }
      })
    }
  }
}

const addressed: Figure = {
  name: "addressed",
  title: "Addressed",
  work: "4,000 clients, a message each in one event, beside one message to all of them",
  seconds: { quick: 30, full: 70 },
  measure: async (run) => {
    // Four times as many are sent to in memory, by the tests: a socket takes workerd two descriptors, and 20,000 is often all
    // that there are.
    const clients = 4_000
    // The room keeps the ids of who is there in memory, and a figure of its own servers leaves it no time to fall asleep.
    await alone(
      { ...run, subjects: run.subjects.filter(({ peer }) => !peer) },
      run.quick ? 2 : 5,
      async (target, round) => {
        const { name } = target.subject
        await connect(target, "addressed", clients)
        const deliver = async (singly: boolean, messages: number) =>
          perDelivery(await target.call("deliver", { room: "addressed", messages, singly }))
        for (const singly of [false, true]) await deliver(singly, 2)
        const all = await deliver(false, 4)
        const singly = await deliver(true, 4)
        run.record(`${clients} clients`, "to all, CPU µs", name, round, all)
        run.record(`${clients} clients`, "each its own, CPU µs", name, round, singly)
        run.record(`${clients} clients`, "each its own to all", name, round, singly / all)
      }
    )
  }
}

const memory: Figure = {
  name: "memory",
  title: "Memory",
  work: "resident bytes of workerd for each further connection that says nothing",
  seconds: { quick: 14, full: 90 },
  measure: (run) => {
    const clients = run.quick ? 1_500 : 3_000
    return alone(run, run.quick ? 1 : 5, async (target, round) => {
      // The first connections pay for what all share.
      await connect(target, "memory", 500)
      await target.call("deliver", { room: "memory", messages: 2 })
      const before = residentBytes(target.pid)
      await connect(target, "memory", 500 + clients)
      run.record("", "KiB", target.subject.name, round, (residentBytes(target.pid) - before) / clients / 1024)
    })
  }
}

const size: Figure = {
  name: "size",
  title: "Size",
  work: "the bundle, minified and gzipped, and the processor time to compile and evaluate it",
  seconds: { quick: 6, full: 20 },
  measure: async (run) => {
    const bundles: Array<readonly [string, Bundle]> = []
    for (const subject of run.subjects) {
      if (!subject.ndjson) bundles.push([subject.name, await bundle(moduleOf(subject)!, subject.module)])
    }
    for (const [name, entry] of Object.entries(workers)) bundles.push([name, await bundle(entry, name)])
    const count = run.quick ? 5 : 15
    for (let round = 0; round < count; round++) {
      run.progress(round / count, `round ${round + 1} of ${count}`)
      for (const [name, each] of turned(bundles, round)) {
        run.record("", "KiB minified", name, round, each.bytes / 1024)
        run.record("", "KiB gzipped", name, round, each.gzip / 1024)
        run.record("", "evaluated, CPU ms", name, round, await evaluate(each))
      }
    }
  }
}

/** Subjects whose rooms do another work, in modules of their own. */
const doing = async (run: Run, modules: Readonly<Record<string, string>>): Promise<ReadonlyArray<Subject>> => {
  const subjects = run.subjects.flatMap((subject) => {
    const module = modules[subject.name]
    return module === undefined ? [] : [{ ...subject, module }]
  })
  for (const subject of subjects) await bundle(moduleOf(subject)!, subject.module)
  return subjects
}

const limits: Figure = {
  name: "limits",
  title: "Limits",
  work: "an echo, one in flight, and a message to 100 clients: without doors and limits, and with them",
  seconds: { quick: 75, full: 230 },
  measure: async (run) => {
    const guarded = (await doing(run, { dormouse: "limits" })).map((subject) => ({ ...subject, name: "guarded" }))
    const plain = run.subjects.filter(({ name }) => name === "dormouse")
    // What they cost is little beside what one process is luckier than another: there are many.
    await rounds(run, {
      subjects: [...plain, ...guarded],
      sittings: run.quick ? 8 : 24,
      rounds: 4,
      prepare: async (target) => {
        await connect(target, "echo", 1)
        await connect(target, "delivery", 100)
        // Most messages are paid in advance. What judges the others is to be compiled, too.
        await target.call("echo", { room: "echo", messages: 40_000 })
        await target.call("deliver", { room: "delivery", messages: 300 })
      },
      measure: async (target, round) => {
        const record = (setting: string, result: Measured) =>
          run.record(setting, "CPU µs", target.subject.name, round, perDelivery(result))
        record("an echo", await target.call("echo", { room: "echo", messages: 5_000 }))
        record("a delivery", await target.call("deliver", { room: "delivery", messages: 100 }))
      }
    })
  }
}

const calls: Figure = {
  name: "calls",
  title: "Calls",
  work:
    "a Worker calls a method of its room, one call after the other: by hand over Durable Object RPC, and through Rooms",
  seconds: { quick: 8, full: 40 },
  measure: async (run) => {
    const times = run.quick ? 3_000 : 10_000
    await rounds(run, {
      subjects: await doing(run, { floor: "calls-floor", dormouse: "calls" }),
      sittings: 3,
      rounds: run.quick ? 3 : 7,
      prepare: async (target) => {
        await target.call("call", { room: "sum", times: 2 * times })
      },
      measure: async (target, round) => {
        const { cpu, wall } = await target.call("call", { room: "sum", times })
        run.record("", "µs", target.subject.name, round, wall * 1000 / times)
        run.record("", "CPU µs", target.subject.name, round, cpu / times)
      }
    })
  }
}

const write: Figure = {
  name: "write",
  title: "Write",
  work: "a message that is kept as a row of the room's database, and then sent to all, one at a time",
  seconds: { quick: 30, full: 110 },
  measure: async (run) => {
    const sizes = [1, 10, 100]
    const messages = run.quick ? 300 : 600
    await rounds(run, {
      subjects: await doing(run, { floor: "write-floor", dormouse: "write" }),
      sittings: 3,
      rounds: run.quick ? 3 : 7,
      prepare: async (target) => {
        for (const clients of sizes) {
          await connect(target, String(clients), clients)
          await target.call("deliver", { room: String(clients), messages: 2 * messages })
        }
      },
      measure: async (target, round) => {
        for (const clients of turned(sizes, round)) {
          const { cpu, wall } = await target.call("deliver", { room: String(clients), messages })
          run.record(`${clients} clients`, "CPU µs", target.subject.name, round, cpu / messages)
          run.record(`${clients} clients`, "µs", target.subject.name, round, wall * 1000 / messages)
        }
      }
    })
  }
}

const deadlines: Figure = {
  name: "deadlines",
  title: "Deadlines",
  work: "1,000 deadlines are set in one event and fire together, in a room that holds 100 others, and 100,000",
  seconds: { quick: 45, full: 120 },
  measure: async (run) => {
    const sizes = [100, 100_000] as const
    const count = 1_000
    const day = 86_400_000
    await rounds(run, {
      subjects: await doing(run, { dormouse: "deadlines" }),
      sittings: run.quick ? 2 : 3,
      rounds: run.quick ? 4 : 7,
      prepare: async (target) => {
        for (const held of sizes) {
          const room = String(held)
          await connect(target, room, 1)
          for (let first = 0; first < held; first += 10_000) {
            const end = Math.min(held, first + 10_000)
            await target.call("set", { room, first, end, at: Date.now() + day + first * 1_000, step: 1_000 })
          }
        }
      },
      measure: async (target, round) => {
        const costs = new Map<string, number>()
        for (const held of turned(sizes, round)) {
          const room = String(held)
          const first = sizes[1]
          const at = Date.now() + 2_000
          const set = await target.call("set", { room, first, end: first + count, at, step: 0 })
          await sleep(at - Date.now() - 200)
          const fired = await target.call("fired", { room, at })
          for (const [what, { cpu, wall }] of [["set", set], ["fire", fired]] as const) {
            for (const [unit, cost] of [["CPU µs", cpu], ["µs", wall * 1000]] as const) {
              run.record(what, `${held} others, ${unit}`, target.subject.name, round, cost / count)
              costs.set(`${held} ${what} ${unit}`, cost)
            }
          }
        }
        for (const what of ["set", "fire"]) {
          for (const unit of ["CPU µs", "µs"]) {
            const [few, many] = sizes.map((held) => costs.get(`${held} ${what} ${unit}`)!)
            run.record(what, `${unit}, many to few`, target.subject.name, round, many! / few!)
          }
        }
      }
    })
  }
}

const journal: Figure = {
  name: "journal",
  title: "Journal",
  work: "a client that comes and goes, and a message that changes its sender's state: without a journal, and with one",
  seconds: { quick: 15, full: 60 },
  measure: async (run) => {
    const [plain] = await doing(run, { dormouse: "counted" })
    const kept = (await doing(run, { dormouse: "journal" })).map((subject) => ({ ...subject, name: "journal" }))
    const times = run.quick ? 300 : 600
    await rounds(run, {
      subjects: [plain!, ...kept],
      sittings: 3,
      rounds: run.quick ? 3 : 7,
      prepare: async (target) => {
        await connect(target, "counted", 10)
        await target.call("visit", { room: "counted", times })
        await target.call("echo", { room: "counted", messages: 2 * times })
      },
      measure: async (target, round) => {
        const record = (setting: string, { cpu, wall }: Measured) => {
          run.record(setting, "CPU µs", target.subject.name, round, cpu / times)
          run.record(setting, "µs", target.subject.name, round, wall * 1000 / times)
        }
        record("a connection", await target.call("visit", { room: "counted", times }))
        record("a change of state", await target.call("echo", { room: "counted", messages: times }))
      }
    })
  }
}

const library = join(import.meta.dirname, "library.ts")

const libraries: ReadonlyArray<Library.Name> = [
  "ws",
  "partysocket",
  "RoomClient",
  "connect",
  "ws, ndjson",
  "RoomClient, ndjson",
  "RoomClient, platform"
]

const client: Figure = {
  name: "client",
  title: "Client",
  work: "1,000 messages at a time that a room says to one client, and 200 at a time that it says to the room",
  seconds: { quick: 55, full: 230 },
  measure: async (run) => {
    const works = [
      { what: "receive", setting: "received, as they come", messages: 1_000, times: 20 },
      { what: "drain", setting: "received, when all wait", messages: 1_000, times: 10 },
      { what: "send", setting: "sent", messages: 200, times: 50 }
    ] as const
    const sittings = run.quick ? 2 : 3
    // How many messages a read of the socket finds is luck, and weighs more than any client: there are many short rounds.
    const count = run.quick ? 8 : 20
    const steps = sittings * count
    const rooms = await doing(run, { dormouse: "talk-room" })
    for (let sitting = 0; sitting < sittings; sitting++) {
      await sit(rooms, 0, async () => {}, async ([target]) => {
        const all: Array<readonly [name: Library.Name, driven: Driven<Library.Operations>]> = []
        try {
          for (const name of turned(libraries, sitting)) {
            const driven = drive<Library.Operations>(name, library, [name])
            all.push([name, driven])
            await driven.call("connect", { port: target!.port, room: name.replaceAll(/\W/g, "") })
            // Until the compiler has seen the path often, its figures are about the interpreter.
            for (const { messages, times, what } of works) await driven.call(what, { messages, times: 3 * times })
          }
          for (let i = 0; i < count; i++) {
            const round = sitting * count + i
            run.progress(round / steps, `round ${round + 1} of ${steps}`)
            for (const [name, driven] of turned(all, i)) {
              for (const { messages, setting, times, what } of works) {
                const { cpu, wall } = await driven.call(what, { messages, times })
                run.record(setting, "messages/s", name, round, messages * times * 1000 / wall)
                run.record(setting, "CPU µs", name, round, cpu / messages / times)
              }
            }
          }
        } finally {
          await Promise.all(all.map(([, driven]) => driven.close()))
        }
      })
    }
  }
}

const back: Figure = {
  name: "back",
  title: "Back",
  work: "1,000 clients of one process whose connections are all reset: how long it takes until they are back",
  seconds: { quick: 70, full: 170 },
  measure: async (run) => {
    const clients = 1_000
    const count = run.quick ? 2 : 5
    const names = ["ws", "partysocket", "RoomClient"] as const
    const [subject] = await doing(run, { dormouse: "talk-room" })
    const comeBack = Effect.fnUntraced(function*(name: Library.Name, round: number) {
      const target = yield* Effect.acquireRelease(
        Effect.promise(() => open(subject!)),
        (target) => Effect.promise(target.close)
      )
      const driven = yield* Effect.acquireRelease(
        Effect.sync(() => drive<Library.Operations>(name, library, [name])),
        (driven) => Effect.promise(driven.close)
      )
      const proxy = yield* Proxy.make(target.port)
      yield* Effect.promise(() => driven.call("crowd", { port: proxy.port, room: "back", clients }))
      // A connection that has lasted for five seconds is stable, for both libraries.
      yield* Effect.sleep(5_500)
      const coming = driven.call("back", { clients })
      yield* Effect.sleep(500)
      const cut = Date.now()
      proxy.reset()
      const { cpu, returns } = yield* Effect.promise(() => coming)
      for (const [metric, share] of [["p50 ms", 0.5], ["p99 ms", 0.99], ["all back, ms", 1]] as const) {
        run.record("", metric, name, round, returns[Math.ceil(share * clients) - 1]! - cut)
      }
      run.record("", "CPU ms", name, round, cpu / 1000)
    }, Effect.scoped)
    for (let round = 0; round < count; round++) {
      for (const [turn, name] of turned(names, round).entries()) {
        run.progress((round + turn / names.length) / count, `${name}, round ${round + 1} of ${count}`)
        await Effect.runPromise(comeBack(name, round))
      }
    }
  }
}

const generator: Figure = {
  name: "generator",
  title: "The load generator itself",
  work: "100 clients of a server that sends ready-made frames: what the generator can count",
  seconds: { quick: 2, full: 4 },
  measure: async (run) => {
    for (const ndjson of [false, true]) {
      run.progress(ndjson ? 0.5 : 0, "ready-made frames")
      const target = await openSource(ndjson)
      try {
        await target.call("connect", { room: "source", clients: 100, ndjson })
        await target.call("burst", { room: "source", messages: 500, perFrame: 1 })
        for (let round = 0; round < (run.quick ? 5 : 15); round++) {
          const result = await target.call("burst", { room: "source", messages: 2_000, perFrame: 1 })
          const setting = ndjson ? "joined frames" : "a frame a message"
          run.record(setting, "messages/s", "source", round, perSecond(result))
        }
      } finally {
        await target.close()
      }
    }
  }
}

export const figures: ReadonlyArray<Figure> = [
  echo,
  delivery,
  burst,
  talkers,
  wake,
  growth,
  addressed,
  hostile,
  limits,
  calls,
  write,
  deadlines,
  journal,
  client,
  back,
  memory,
  size,
  generator
]
