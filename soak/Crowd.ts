/**
 * Thousands of clients of the deployed Worker. Most talk, in small rooms, and some of them leave and come back. The others
 * say nothing, in large rooms that sleep. All of them ping.
 */
import { type Client, dial, masked } from "../bench/client.ts"

/** How long an answer may take on a busy machine, in milliseconds. */
const patience = 20_000

/** So many talk in a room, and so many are silent in one. */
const sizes = { talking: 20, silent: 100 }

/** Which share of the clients is silent. */
const silence = 0.25

/** How often each of them pings, in milliseconds. */
const heartbeat = 20_000

/** For every thousand clients, so often a second. */
const rates = { says: 25, leaves: 1 }

/** A close frame with 1000. */
const goodbye = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])

interface Member {
  readonly room: string
  readonly isSilent: boolean
  client: Client | undefined
  isLeaving: boolean
  /** When it has pinged and said what was not answered yet. */
  pinged: number | undefined
  said: number | undefined
}

export interface Crowd {
  readonly problems: ReadonlyArray<string>
  /** The rooms in which nobody speaks. */
  readonly silent: ReadonlyArray<string>
  /** Those who have left and come back so far. */
  readonly returned: () => number
  readonly pongs: () => number
  /** How long each delivery took since this was asked last, in milliseconds. */
  readonly takeLatencies: () => Float64Array
  /** They begin to talk, to ping, and to come and go. */
  readonly begin: () => void
  readonly stop: () => void
}

/** They enter. `onEntered` is told how many have. */
export const make = async (port: number, clients: number, onEntered: (entered: number) => void): Promise<Crowd> => {
  const problems: Array<string> = []
  const wrong = (problem: string) => problems.length < 20 && problems.push(problem)
  const silentClients = Math.floor(clients * silence)
  const members = Array.from({ length: clients }, (_, index): Member => {
    const isSilent = index < silentClients
    const room = isSilent ? `silent-${Math.floor(index / sizes.silent)}` : `talk-${Math.floor(index / sizes.talking)}`
    return { room, isSilent, client: undefined, isLeaving: false, pinged: undefined, said: undefined }
  })
  const talking = members.slice(silentClients)
  let latencies: Array<number> = []
  let returned = 0
  let pongs = 0
  let isOver = false

  const listen = (member: Member) => (line: string) => {
    if (line === "pong") {
      if (member.pinged === undefined) wrong(`a client in ${member.room} got a pong for nothing`)
      member.pinged = undefined
      pongs++
      return
    }
    const sent = Number(/"_tag":"Said".*"text":"([\d.]+)"/.exec(line)?.[1])
    if (Number.isNaN(sent)) return
    latencies.push(performance.now() - sent)
    if (member.said === sent) member.said = undefined
  }

  const enter = async (member: Member): Promise<void> => {
    member.client = await dial({
      port,
      path: `rooms/${member.room}`,
      address: "198.51.100.1",
      ndjson: false,
      count: () => {},
      closed: (why) => {
        member.client = undefined
        if (!member.isLeaving && !isOver) wrong(`a client in ${member.room} was closed: ${why}`)
        if (!isOver) void comeBack(member)
      }
    })
    member.client.tap = listen(member)
  }
  const comeBack = async (member: Member) => {
    Object.assign(member, { isLeaving: false, pinged: undefined, said: undefined })
    try {
      await enter(member)
      returned++
    } catch (cause) {
      wrong(`a client could not come back to ${member.room}: ${String(cause)}`)
    }
  }

  let entered = 0
  let next = 0
  const entering = async () => {
    while (next < members.length) {
      await enter(members[next++]!)
      onEntered(++entered)
    }
  }
  await Promise.all(Array.from({ length: 32 }, entering))

  const isReady = ({ client, isLeaving }: Member) => client !== undefined && !isLeaving
  const any = (): Member => talking[Math.floor(Math.random() * talking.length)]!

  // What is done so often a second: how much of it is due by now.
  const pace = (perSecond: number, act: () => void) => {
    const start = performance.now()
    let done = 0
    return (now: number) => {
      for (const due = Math.floor((now - start) / 1_000 * perSecond); done < due; done++) act()
    }
  }

  const say = () => {
    const member = any()
    if (!isReady(member) || member.said !== undefined) return
    member.said = performance.now()
    member.client!.socket.write(masked(JSON.stringify({ _tag: "Say", text: String(member.said) })))
  }
  // Who leaves waits for its pong: workerd keeps the object of one awake that breaks off before.
  const leave = () => {
    const member = any()
    if (!isReady(member) || member.pinged !== undefined) return
    member.isLeaving = true
    member.client!.socket.write(goodbye)
  }
  let turn = 0
  const ping = () => {
    const member = members[turn++ % members.length]!
    if (!isReady(member) || member.pinged !== undefined) return
    member.pinged = performance.now()
    member.client!.socket.write(masked("ping"))
  }
  const look = () => {
    const now = performance.now()
    for (const { pinged = now, room, said = now } of members) {
      if (now - pinged > patience) wrong(`a ping in ${room} was not answered`)
      if (now - said > patience) wrong(`a client in ${room} did not hear what it had said`)
    }
  }

  const timers: Array<NodeJS.Timeout> = []
  return {
    problems,
    silent: [...new Set(members.filter(({ isSilent }) => isSilent).map(({ room }) => room))],
    returned: () => returned,
    pongs: () => pongs,
    takeLatencies: () => {
      const taken = Float64Array.from(latencies).toSorted()
      latencies = []
      return taken
    },
    begin: () => {
      const paces = [
        pace(rates.says * clients / 1_000, say),
        pace(rates.leaves * clients / 1_000, leave),
        pace(clients * 1_000 / heartbeat, ping)
      ]
      timers.push(
        setInterval(() => {
          const now = performance.now()
          for (const pace of paces) pace(now)
        }, 5),
        setInterval(look, 5_000)
      )
    },
    stop: () => {
      isOver = true
      for (const timer of timers) clearInterval(timer)
      for (const { client } of members) client?.socket.destroy()
    }
  }
}
