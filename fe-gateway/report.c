/* Metrics, and what edges report of themselves. */
#include "gateway.h"

#include <stdio.h>

static void certificate_gauge(struct gateway *g, const struct xfed_tls_creds *creds)
{
	const struct xfed_cert *cert = creds ? xfed_tls_creds_cert(creds, 0) : NULL;
	if (cert) {
		const struct xfed_cert_facts *f = xfed_cert_facts(cert);
		rt_metric_set(
			g->core.d.metrics, RT_M_CERTIFICATE_NOT_AFTER, (double)f->not_after_s, RT_LABELS(xfed_span_str(f->subject), XFED_SPAN("us")));
	}
}

void gateway_report_gauges(struct gateway *g)
{
	size_t in_flight = channel_waiting(g->channel) + attempts_count(g->attempts) + holds_waiting(g->holds);
	size_t late = channel_late(g->channel, gateway_now(g)) + attempts_late(g->attempts, gateway_now(g));
	rt_metric_set(g->core.d.metrics, RT_M_DELIVERIES_IN_FLIGHT, (double)in_flight, RT_NO_LABELS);
	rt_metric_set(g->core.d.metrics, RT_M_DELIVERIES_UNACCOUNTED, (double)late, RT_NO_LABELS);
	for (size_t i = 0; i < channel_edge_count(g->channel); i++) {
		struct channel_edge e;
		channel_edge(g->channel, i, &e);
		if (e.is_up) {
			rt_metric_set(g->core.d.metrics, RT_M_CHANNEL_RTT, (double)e.rtt_us / 1e6, RT_LABELS(xfed_span_str(e.name)));
		}
	}
	certificate_gauge(g, policy_channel_creds(g->policy));
	certificate_gauge(g, policy_sip_creds(g->policy));
}
