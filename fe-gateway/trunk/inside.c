/* Requests inside dialogs. */
#include "trunk/trunk_impl.h"
#include "trunk/way.h"

static void note_nowhere(struct trunk *t, const struct config_domain *d, const struct sip_target *own)
{
	core_count_refusal(t->core, XFED_REASON_SIP_PEER_UNLISTED, XFED_SIDE_OPERATOR);
	rt_log(RT_LOG_WARNING, "sip.dialog-ended", RT_KV_STR("local", d->domain), RT_KV_REASON(XFED_REASON_SIP_PEER_UNLISTED),
		RT_KV_STR("address", own->ip), RT_KV_U64("port", own->port), RT_KV_STR("transport", sip_transport_name(own->transport)), RT_END);
}

/*
 * The way along the dialog itself, judged once for each connection and each state of the files: a session sends many messages. False: it is to
 * be judged anew, or it is another way for each size.
 */
static bool is_judged(const struct trunk *t, const struct way_facts *f)
{
	return f->dialog->judged == t->judgement && !f->is_large;
}

static int judge(struct trunk *t, const struct config_domain *d, uint64_t dialog, struct way_facts *f, struct sip_target *out)
{
	struct trust_peer peer;
	struct xfed_span name;
	f->behind = f->own.flow != 0 && f->own.transport != SIP_UDP && sip_io_behind(t->io, f->own.flow, &peer, &f->is_dialled) ? &peer : NULL;
	if (f->behind && f->own.transport == SIP_TLS && !f->own.tls_name[0] && trust_name(&d->senders, &peer, &name) &&
		!sip_layer_dialog_named(t->layer, dialog, name)) { /* it may be called back: another connection has to prove the same name */
		return XFED_ERR_NOMEM;
	}
	if (!way_inside(&d->senders, f, out)) {
		note_nowhere(t, d, &f->own);
		return XFED_ERR_NOT_FOUND;
	}
	if (f->behind && !f->is_large && out->flow == f->own.flow) {
		sip_layer_dialog_judged(t->layer, dialog, t->judgement);
	}
	return XFED_OK;
}

int trunk_send_inside(struct trunk_send *s, const struct config_domain *d, const struct sip_layer_request *params, uint64_t *txn)
{
	struct trunk *t = s->hop->trunk;
	struct sip_layer_request rq = *params;
	struct way_facts f = { .is_large = s->is_large };
	f.dialog = sip_layer_dialog_way(t->layer, rq.dialog, &f.own, &f.is_ours);
	if (!f.dialog) {
		return XFED_ERR_NOT_FOUND;
	}
	rq.target = f.own;
	int rc = is_judged(t, &f) ? XFED_OK : judge(t, d, rq.dialog, &f, &rq.target);
	return rc == XFED_OK ? trunk_send_proved(s, &rq, sip_dialog_uri(f.dialog), txn) : rc;
}
