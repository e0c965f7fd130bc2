/**
 * Two clients that behave well, and go on to talk whatever others do. They hear everything that both say, in order and once,
 * and each ping of theirs is answered.
 */
import { performance } from "node:perf_hooks"
import { type Client, dial, masked } from "../bench/client.ts"

/** How long an answer may take on a busy machine, in milliseconds. */
const patience = 15_000

/** Between two messages of one of them, in milliseconds. */
const pace = 100

export interface Pair {
  /** What was wrong so far. */
  readonly problems: ReadonlyArray<string>
  /** How many messages each has said, and the longest time that one took, in milliseconds. */
  readonly said: () => number
  readonly slowest: () => number
  /** They stop, and wait for what is under way. */
  readonly stop: () => Promise<void>
}

interface Member {
  client: Client | undefined
  /** The number of the last message that it has heard, by who said it. */
  readonly heard: [number, number]
  readonly pings: Array<number>
}

/** Begins. In a room of their own nobody else may come in. */
export const start = async (port: number, room: string, isAlone: boolean): Promise<Pair> => {
  const problems: Array<string> = []
  const wrong = (problem: string) => problems.length < 20 && problems.push(`in the room ${room}: ${problem}`)
  const mark = `pair-${room}-`
  const told = new RegExp(`^\\{"_tag":"Said".*"text":"${mark}(\\d)-(\\d+)"\\}$`)
  const members: ReadonlyArray<Member> = [0, 1].map(() => ({ client: undefined, heard: [0, 0], pings: [] }))
  const times: Array<number> = []
  let said = 0
  let slowest = 0
  let isOver = false

  const listen = (index: number) => (line: string) => {
    const { heard, pings } = members[index]!
    if (line === "pong") {
      if (pings.shift() === undefined) wrong(`client ${index} got a pong for nothing`)
      return
    }
    const [, who, number] = told.exec(line) ?? []
    if (who !== undefined) {
      const speaker = Number(who) as 0 | 1
      if (Number(number) !== ++heard[speaker]) {
        wrong(`client ${index} heard message ${number} of client ${who}, and not ${heard[speaker]}`)
        heard[speaker] = Number(number)
      }
      slowest = Math.max(slowest, performance.now() - times[Number(number)]!)
      return
    }
    if (line.startsWith(`{"_tag":"Error"`)) wrong(`client ${index} was told ${line}`)
    else if (isAlone && !line.includes("\"good-")) wrong(`client ${index} heard of a stranger: ${line}`)
  }

  const enter = async (index: number) => {
    const member = members[index]!
    // Whatever comes before the tap is set is its own Welcome.
    member.client = await dial({
      port,
      path: `rooms/${room}?name=good-${index}`,
      address: `198.51.100.${index + 1}`,
      ndjson: false,
      count: () => {},
      closed: (why) => isOver || wrong(`client ${index} was closed: ${why}`)
    })
    member.client.tap = listen(index)
  }
  await enter(0)
  await enter(1)

  const ended = () =>
    members.every(({ heard, pings }) => pings.length === 0 && heard.every((number) => number === said))
  const late = () => {
    const now = performance.now()
    for (const [index, { heard, pings }] of members.entries()) {
      if (pings.length > 0 && now - pings[0]! > patience) {
        wrong(`a ping of client ${index} was not answered`)
        pings.length = 0
      }
      for (const [who, number] of heard.entries()) {
        if (number < said && now - times[number + 1]! > patience) {
          wrong(`client ${index} did not hear message ${number + 1} of client ${who}`)
          heard[who as 0 | 1] = said
        }
      }
    }
  }
  const timer = setInterval(() => {
    late()
    times[++said] = performance.now()
    for (const [index, { client, pings }] of members.entries()) {
      pings.push(performance.now())
      client!.socket.write(masked(JSON.stringify({ _tag: "Say", text: `${mark}${index}-${said}` })))
      client!.socket.write(masked("ping"))
    }
  }, pace)

  return {
    problems,
    said: () => said,
    slowest: () => slowest,
    stop: async () => {
      clearInterval(timer)
      while (!ended()) {
        late()
        await new Promise((resume) => setTimeout(resume, 20))
      }
      isOver = true
      for (const { client } of members) client!.socket.destroy()
    }
  }
}
