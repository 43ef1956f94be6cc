import { probe, unanswered } from '@/lib/connection'
import { Problem } from '@/lib/problem'
import { Page } from '@/shell/page'
import { Button } from '@/ui/button'
import { CodeEditor } from '@/ui/code-editor'
import { AlertDialog, Dialog, Popover, Sheet } from '@/ui/dialog'
import { FileDrop, type Upload } from '@/ui/file-drop'
import { EmptyState, ErrorState, Loading } from '@/ui/states'
import { toast } from '@/ui/toast'
import { Tooltip } from '@/ui/tooltip'
import { KeyValue, Money } from '@/ui/values'
import { Database, Plus } from 'lucide-react'
import { useState } from 'react'
import { recipe } from './data'
import { Sample, Wrap } from './parts'

const faults = [{ line: 22, column: 16, message: 'payments has no column "payed". Did you mean "paid"?' }]

const schema = {
  properties: {
    kalla: { const: 1 },
    name: { type: 'string', description: 'What the recipe is called' },
    match: {
      items: {
        properties: {
          name: { type: 'string' },
          when: { items: { properties: { left: {}, right: {}, op: { enum: ['eq', 'within'] } } } },
        },
      },
    },
  },
}

const slow: Upload = (file, progress, signal) =>
  new Promise((resolve, reject) => {
    let share = 0
    const timer = setInterval(() => {
      share += 0.04
      progress(Math.min(1, share))
      if (share < 1) return
      clearInterval(timer)
      if (file.name.startsWith('bad')) reject(new Error('Line 12 has 7 fields where the header has 8.'))
      else resolve()
    }, 60)
    signal.addEventListener('abort', () => {
      clearInterval(timer)
      reject(new DOMException('Cancelled', 'AbortError'))
    })
  })

export function Editing() {
  const [text, setText] = useState(recipe)
  return (
    <Page title="Editing">
      <div className="grid gap-x-4 lg:grid-cols-[2fr_1fr]">
        <Sample title="Recipe">
          <CodeEditor label="Recipe in YAML" value={text} onChange={setText} faults={faults} schema={schema} />
        </Sample>
        <Sample title="Files">
          <FileDrop
            upload={slow}
            accept=".csv,.parquet"
            multiple
            limit={5_000_000}
            hint="CSV, Parquet, Excel or JSON, up to 5 MB"
          />
        </Sample>
      </div>
    </Page>
  )
}

const invalid = new Problem({
  status: 422,
  title: 'Something in the request is wrong',
  detail: 'The source was not saved.',
  hint: 'Mend the fields and save again.',
  faults: [
    { location: 'body.alias', message: 'is taken by another source' },
    { location: 'body.uri', message: 'names no table' },
  ],
})

export function States() {
  return (
    <Page title="States">
      <div className="grid gap-x-4 lg:grid-cols-2">
        <Sample title="Empty">
          <EmptyState
            icon={<Database size={18} />}
            title="No sources yet"
            actions={
              <>
                <Button look="primary" icon={<Plus size={14} />}>
                  Add a source
                </Button>
                <Button>Use the demo data</Button>
              </>
            }
          >
            A source is a file, a table or a query that records are read from. Reconciling takes two.
          </EmptyState>
        </Sample>
        <Sample title="Refused">
          <ErrorState error={invalid} onRetry={() => toast.done('Tried again')} />
        </Sample>
        <Sample title="No permission">
          <ErrorState
            small
            error={
              new Problem({
                status: 403,
                title: 'You may not do this',
                detail: 'Only administrators see the audit log.',
                hint: 'Ask an administrator for the permission.',
              })
            }
          />
        </Sample>
        <Sample title="Away">
          <ErrorState
            small
            error={
              new Problem({
                status: 0,
                title: 'No connection to Kalla',
                detail: 'The server did not answer.',
                hint: 'The page goes on by itself once the server answers.',
              })
            }
          />
        </Sample>
        <Sample title="Loading">
          <Loading />
        </Sample>
      </div>
    </Page>
  )
}

export function Overlays() {
  const [dialog, setDialog] = useState(false)
  const [sheet, setSheet] = useState(false)
  return (
    <Page title="Overlays">
      <Sample title="Open them">
        <Wrap>
          <Button onClick={() => setDialog(true)}>Dialog</Button>
          <Button onClick={() => setSheet(true)}>Sheet</Button>
          <AlertDialog
            trigger={<Button>Alert</Button>}
            title="Delete the source bank?"
            description="Two recipes use it and will not run any more. Runs and their evidence stay."
            action="Delete"
            onConfirm={() => new Promise((resolve) => setTimeout(resolve, 300))}
          />
          <Popover label="About" trigger={<Button>Popover</Button>} className="w-64 p-3">
            <p className="text-sm">A small panel.</p>
          </Popover>
          <Tooltip text="Read 4 minutes ago" shortcut="g s">
            <Button>Tooltip</Button>
          </Tooltip>
          <Button
            onClick={() =>
              toast.done('Recipe saved', { detail: 'Version 13', action: { label: 'Run it', run: () => undefined } })
            }
          >
            Toast
          </Button>
          <Button onClick={() => toast.failed('Saving the recipe', invalid)}>Failure</Button>
          <Button onClick={() => unanswered()}>Lose the connection</Button>
          <Button onClick={() => void probe()}>Ask the server</Button>
        </Wrap>
      </Sample>
      <Dialog
        open={dialog}
        onOpenChange={setDialog}
        title="Run the recipe"
        description="Invoices against payments, version 12."
        footer={
          <>
            <Button onClick={() => setDialog(false)}>Cancel</Button>
            <Button look="primary">Run</Button>
          </>
        }
      >
        <KeyValue
          items={[
            { label: 'Left', value: 'invoices' },
            { label: 'Right', value: 'payments' },
          ]}
        />
      </Dialog>
      <Sheet open={sheet} onOpenChange={setSheet} title="INV-1000042" description="Unmatched: the amount differs.">
        <KeyValue
          items={[
            { label: 'Amount', value: <Money value="120.50" currency="EUR" /> },
            { label: 'Closest', value: <Money value="120.05" currency="EUR" /> },
          ]}
        />
      </Sheet>
    </Page>
  )
}
