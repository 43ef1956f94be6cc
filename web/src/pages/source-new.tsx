import { Page } from '@/shell/page'
import { sourceTypesQuery } from '@/sources/api'
import { noAnswers } from '@/sources/form'
import { SourceForm } from '@/sources/source-form'
import { UploadForm } from '@/sources/upload-form'
import { ErrorState, Loading } from '@/ui/states'
import { Tabs } from '@/ui/tabs'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

/** A source is added: a file that is sent, or a place that is described. */
export function NewSource() {
  const navigate = useNavigate()
  const types = useQuery(sourceTypesQuery)
  const [tab, setTab] = useState('upload')
  const open = (alias: string) => void navigate({ to: '/sources/$alias', params: { alias } })
  return (
    <Page title="Add a source" crumbs={[{ label: 'Sources', to: '/sources' }]}>
      <Tabs
        label="Ways to add a source"
        value={tab}
        onChange={setTab}
        tabs={[
          { value: 'upload', label: 'Upload a file', content: <UploadForm onSaved={open} /> },
          {
            value: 'connect',
            label: 'Connect to a place',
            content: types.data ? (
              <SourceForm
                types={types.data}
                answers={noAnswers}
                onSaved={open}
                onCancel={() => void navigate({ to: '/sources' })}
              />
            ) : types.error ? (
              <ErrorState error={types.error} onRetry={() => void types.refetch()} />
            ) : (
              <Loading />
            ),
          },
        ]}
      />
    </Page>
  )
}
