// Servers that sources are in, each started for a test: PostgreSQL and an S3 server, as internal/testenv has them.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { vi } from 'vitest'

const run = promisify(execFile)

/** A port that nothing listens at now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Finds a program on the PATH or in one of the folders. */
function find(name: string, folders: string[]): string {
  const found = [...(process.env['PATH'] ?? '').split(delimiter), ...folders]
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${name} is not there: scripts/setup.sh web installs it`)
  return found
}

/** A server with a folder of its own, which goes with it. */
class Service {
  readonly dir: string
  #process: ChildProcess | undefined

  constructor(dir: string) {
    this.dir = dir
  }

  /** Starts it, and waits until it answers. */
  async start(program: string, args: string[], options: object, answers: () => Promise<unknown>): Promise<void> {
    const started = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options })
    this.#process = started
    let said = ''
    started.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await vi.waitFor(
      async () => {
        await answers().catch((cause: unknown) => {
          throw new Error(`${program} does not answer: ${said}`, { cause })
        })
      },
      { timeout: 60_000, interval: 100 },
    )
  }

  async stop(): Promise<void> {
    const started = this.#process
    if (started && started.exitCode === null && started.signalCode === null) {
      const ended = once(started, 'exit')
      started.kill('SIGINT') // of PostgreSQL the fast shutdown
      await ended
    }
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** A PostgreSQL server on a loopback port. */
export interface Postgres {
  port: number
  password: string
  /** Of its database postgres. */
  url: string
  /** Executes statements as its superuser. */
  sql: (statements: string) => Promise<void>
  stop: () => Promise<void>
}

export async function startPostgres(): Promise<Postgres> {
  // Debian keeps the servers off the PATH.
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? (await readdir(debian)).sort((a, b) => Number(b) - Number(a)) : []
  const bin = versions.map((version) => join(debian, version, 'bin'))
  const [initdb, server] = [find('initdb', bin), find('postgres', bin)]
  const service = new Service(await mkdtemp(join(tmpdir(), 'kalla-postgres-')))
  // It refuses to run as root.
  let account = {}
  if (process.getuid?.() === 0) {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (which) => Number((await run('id', [which, 'postgres'])).stdout)),
    )
    account = { uid, gid }
    await chown(service.dir, uid ?? 0, gid ?? 0)
  }
  const data = join(service.dir, 'data')
  const password = randomBytes(12).toString('hex')
  const secret = join(service.dir, 'password')
  await writeFile(secret, password)
  await run(
    initdb,
    ['-D', data, '-U', 'postgres', '--pwfile', secret, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { cwd: service.dir, ...account },
  )
  const port = await freePort()
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  const sql = async (statements: string) => {
    await run('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-c', statements, url])
  }
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'].flatMap((s) => ['-c', s])
  await service.start(server, ['-D', data, '-p', String(port), ...settings], { cwd: service.dir, ...account }, () =>
    sql('SELECT 1'),
  )
  return { port, password, url, sql, stop: () => service.stop() }
}

/** An S3 server on a loopback port, with path-style addresses. */
export interface S3 {
  endpoint: string
  accessKey: string
  secretKey: string
  /** Writes an object; the bucket is made. */
  put: (bucket: string, key: string, body: string) => Promise<void>
  stop: () => Promise<void>
}

export async function startS3(): Promise<S3> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const server = find('versitygw', [join(cache, 'kalla', 'bin')])
  const service = new Service(await mkdtemp(join(tmpdir(), 'kalla-s3-')))
  const [accessKey, secretKey] = [randomBytes(8).toString('hex'), randomBytes(16).toString('hex')]
  const buckets = join(service.dir, 'buckets')
  await mkdir(buckets)
  const address = `127.0.0.1:${await freePort()}`
  const endpoint = `http://${address}`
  await service.start(
    server,
    ['--region', 'us-east-1', '--port', address, 'posix', buckets],
    { env: { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey } },
    () => fetch(endpoint),
  )
  return {
    endpoint,
    accessKey,
    secretKey,
    // It keeps objects as files.
    put: async (bucket, key, body) => {
      await mkdir(join(buckets, bucket), { recursive: true })
      await writeFile(join(buckets, bucket, key), body)
    },
    stop: () => service.stop(),
  }
}
