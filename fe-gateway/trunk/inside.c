/* Requests inside dialogs. */
#include "trunk/trunk_impl.h"
#include "trunk/way.h"

static void note_nowhere(struct trunk *t, const struct config_domain *d, const struct sip_target *own)
{
	core_count_refusal(t->core, XFED_REASON_SIP_PEER_UNLISTED, XFED_SIDE_OPERATOR);
	rt_log(RT_LOG_WARNING, "sip.dialog-ended", RT_KV_STR("local", d->domain), RT_KV_REASON(XFED_REASON_SIP_PEER_UNLISTED),
		RT_KV_STR("address", own->ip), RT_KV_U64("port", own->port), RT_KV_STR("transport", sip_transport_name(own->transport)), RT_END);
}

int trunk_send_inside(struct trunk_send *s, const struct config_domain *d, const struct sip_layer_request *params, uint64_t *txn)
{
	struct trunk *t = s->hop->trunk;
	struct sip_layer_request rq = *params;
	struct trust_peer peer;
	struct xfed_span name;
	struct way_facts f = { .dialog = sip_layer_dialog(t->layer, rq.dialog), .is_large = s->is_large };
	if (!f.dialog || !sip_layer_dialog_way(t->layer, rq.dialog, &f.own, &f.is_ours)) {
		return XFED_ERR_NOT_FOUND;
	}
	f.behind = f.own.flow != 0 && f.own.transport != SIP_UDP && sip_io_behind(t->io, f.own.flow, &peer, &f.is_dialled) ? &peer : NULL;
	if (f.behind && f.own.transport == SIP_TLS && !f.own.tls_name[0] && trust_name(&d->senders, &peer, &name) &&
		!sip_layer_dialog_named(t->layer, rq.dialog, name)) { /* it may be called back: another connection has to prove the same name */
		return XFED_ERR_NOMEM;
	}
	if (!way_inside(&d->senders, &f, &rq.target)) {
		note_nowhere(t, d, &f.own);
		return XFED_ERR_NOT_FOUND;
	}
	return trunk_send_proved(s, &rq, sip_dialog_uri(f.dialog), txn);
}
