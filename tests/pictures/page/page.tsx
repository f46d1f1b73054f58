// One dashboard as Perses shows it, in Perses' own components.
//
// The address names what is shown: ?dashboard=NAME (dashboards/NAME.json), and start and end in milliseconds, which
// Perses itself reads from there. Prometheus' API is beside this page too.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { CssBaseline, ThemeProvider, Typography } from '@mui/material';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { ChartsProvider, SnackbarProvider, TimeZoneProvider, generateChartsTheme, getTheme } from '@perses-dev/components';
import {
  DashboardResource,
  DatasourceResource,
  GlobalDatasourceResource,
  TimeSeriesData,
  TimeSeriesQueryDefinition,
} from '@perses-dev/core';
import { ViewDashboard } from '@perses-dev/dashboards';
import { PluginModuleResource, PluginRegistry, dynamicImportPluginLoader } from '@perses-dev/plugin-system';
import { QueryParamProvider } from 'use-query-params';
import { WindowHistoryAdapter } from 'use-query-params/adapters/window';
import * as prometheusPlugin from '@perses-dev/prometheus-plugin';
import * as statChartPlugin from '@perses-dev/stat-chart-plugin';
import * as timeSeriesChartPlugin from '@perses-dev/timeseries-chart-plugin';

const asked = new URLSearchParams(window.location.search);

const plugins = dynamicImportPluginLoader(
  [prometheusPlugin, statChartPlugin, timeSeriesChartPlugin].map((module) => ({
    resource: module.getPluginModule() as PluginModuleResource,
    importPlugin: () => Promise.resolve(module),
  }))
);

const datasource: GlobalDatasourceResource = {
  kind: 'GlobalDatasource',
  metadata: { name: 'prometheus' },
  spec: {
    default: true,
    plugin: {
      kind: 'PrometheusDatasource',
      spec: { directUrl: window.location.origin, scrapeInterval: '30s' },
    },
  },
};

const datasources = {
  getDatasource: (): Promise<DatasourceResource | undefined> => Promise.resolve(undefined),
  getGlobalDatasource: (): Promise<GlobalDatasourceResource | undefined> => Promise.resolve(datasource),
  listDatasources: (): Promise<DatasourceResource[]> => Promise.resolve([]),
  listGlobalDatasources: (): Promise<GlobalDatasourceResource[]> => Promise.resolve([datasource]),
};

// A query is asked once: a picture of an error is of no use, and drawing stops at it.
const queries = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } } });
const theme = getTheme('light');

function Page({ dashboard }: { dashboard: DashboardResource }): React.ReactElement {
  return (
    <ThemeProvider theme={theme}>
      <CssBaseline />
      <QueryParamProvider adapter={WindowHistoryAdapter}>
        <QueryClientProvider client={queries}>
          <TimeZoneProvider timeZone="UTC">
            <SnackbarProvider>
              <ChartsProvider chartsTheme={generateChartsTheme(theme, {})}>
                <PluginRegistry
                  pluginLoader={plugins}
                  defaultPluginKinds={{ Panel: 'TimeSeriesChart', TimeSeriesQuery: 'PrometheusTimeSeriesQuery' }}
                >
                  <ViewDashboard
                    dashboardResource={dashboard}
                    datasourceApi={datasources}
                    dashboardTitleComponent={<Typography variant="h2">{dashboard.spec.display?.name}</Typography>}
                    isReadonly
                    isVariableEnabled
                    isDatasourceEnabled={false}
                  />
                </PluginRegistry>
              </ChartsProvider>
            </SnackbarProvider>
          </TimeZoneProvider>
        </QueryClientProvider>
      </QueryParamProvider>
    </ThemeProvider>
  );
}

/** The queries of panels that have an answer, with the number of their series; none while others are on their way. */
function answered(): Array<{ query: string; series: number }> {
  if (queries.isFetching() > 0) return [];
  return queries
    .getQueryCache()
    .findAll({ type: 'active', predicate: ({ queryKey, state }) => isOfPanel(queryKey[0]) && state.status === 'success' })
    .map(({ queryKey, state }) => ({
      query: (queryKey[0] as TimeSeriesQueryDefinition<{ query: string }>).spec.plugin.spec.query,
      series: (state.data as TimeSeriesData).series.length,
    }));
}

function isOfPanel(definition: unknown): boolean {
  return (definition as { kind?: string } | undefined)?.kind === 'TimeSeriesQuery';
}

// Whoever takes the picture asks this.
Object.assign(window, { answered });

const answer = await fetch(`dashboards/${asked.get('dashboard')}.json`);
createRoot(document.getElementById('root')!).render(<Page dashboard={(await answer.json()) as DashboardResource} />);
