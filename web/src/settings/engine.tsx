import { bytes, count, engineName, plural } from '@/lib/format'
import { aboutQuery } from '@/lib/me'
import { ErrorState, Loading } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { Table, type TableColumn } from '@/ui/table'
import { KeyValue } from '@/ui/values'
import type { Schema } from '@/lib/api'
import { useQuery } from '@tanstack/react-query'
import { Panel } from './panel'

const ready = (state: string) => state.toLowerCase() === 'active'

const columns: TableColumn<Schema<'JobNode'>>[] = [
  { id: 'id', header: 'Node', grows: true, cell: (node) => <span className="font-medium">{node.id}</span> },
  { id: 'url', header: 'Address', from: 'lg', cell: (node) => <span className="text-muted">{node.url}</span> },
  {
    id: 'state',
    header: 'State',
    cell: (node) => <Badge tone={ready(node.state) ? 'ok' : 'warn'}>{node.state}</Badge>,
  },
]

/** What matches the records, and how busy it is. */
export function Engine() {
  const about = useQuery({ ...aboutQuery, refetchInterval: 5000 })
  if (about.error && !about.data) return <ErrorState error={about.error} onRetry={() => void about.refetch()} />
  if (!about.data) return <Loading />
  const { engine, problem } = about.data
  const nodes = engine?.workers ?? []
  return (
    <>
      {problem !== undefined && (
        <Note tone="bad" title="The scheduler does not answer">
          {problem}. Runs wait for it, and start by themselves once it is back.
        </Note>
      )}
      {engine && (
        <Panel title="Engine" about="It reads the sources, matches the records and writes the evidence.">
          <KeyValue
            items={[
              { label: 'Engine', value: engineName(engine) },
              { label: 'Running now', value: `${count(engine.running)} of ${count(engine.max_jobs)} at the same time` },
              { label: 'Waiting', value: count(engine.queued) },
              { label: 'Memory', value: engine.memory > 0 ? `${bytes(engine.memory)} for all runs together` : '–' },
              { label: 'Threads', value: engine.threads > 0 ? count(engine.threads) : '–' },
            ]}
          />
        </Panel>
      )}
      {nodes.length > 0 && (
        <Panel
          title="Nodes of the cluster"
          about={`${plural(nodes.filter((node) => ready(node.state)).length, 'node')} of ${count(nodes.length)} can take work. Runs that are too large for one machine go to them; the details of a run say why it went where.`}
          flush
        >
          <Table label="Nodes" columns={columns} rows={nodes} rowKey={(node) => node.id} />
        </Panel>
      )}
    </>
  )
}
