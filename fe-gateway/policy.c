/* The policy in force: its revision, the reload that makes a new one, the snapshot on its way to the edges. */
#include "gateway.h"
#include "xfed/rt/process.h"

#include "xfed/hash.h"

const struct xfed_partner *gateway_partner(const struct gateway *g, struct xfed_span domain)
{
	return domain.len > 0 ? xfed_policy_partner(g->files.policy, domain) : NULL;
}

uint64_t gateway_partner_share(const struct gateway *g, struct xfed_span domain)
{
	const struct xfed_partner *p = gateway_partner(g, domain);
	return p ? xfed_hash_bytes(p->domain, strlen(p->domain)) : 0;
}

/* A partner's domain as a label: bounded by what policy lists. */
const char *gateway_partner_label(const struct gateway *g, struct xfed_span domain)
{
	const struct xfed_partner *p = gateway_partner(g, domain);
	return p ? p->domain : "other";
}

static void announce(const struct gateway *g, const char *event)
{
	rt_metric_set(g->core.d.metrics, RT_M_POLICY_REVISION, (double)g->revision.counter, RT_NO_LABELS);
	rt_log(RT_LOG_INFO, event, RT_KV_U64("epoch", g->revision.epoch), RT_KV_U64("revision", g->revision.counter),
		RT_KV_U64("partners", xfed_policy_partner_count(g->files.policy)), RT_KV_U64("domains", xfed_policy_local_count(g->files.policy)),
		RT_END);
}

/* ---- revisions ---- */

static bool differs(const struct proto_revision *r, const uint8_t hash[32])
{
	return r->counter == 0 || memcmp(r->hash, hash, sizeof(r->hash)) != 0;
}

static void make_next(struct proto_revision *r, const uint8_t hash[32])
{
	r->counter++;
	memcpy(r->hash, hash, sizeof(r->hash));
}

/* A restart with the same files keeps its revision; other files are a new one. */
int gateway_policy_start(struct gateway *g, char error[256])
{
	struct store_facts facts;
	int rc = store_open(g->files.config->store.sqlite, &g->core.d.env, &g->store, error);
	if (rc == XFED_OK) {
		rc = store_read(g->store, &facts, error);
	}
	if (rc != XFED_OK) {
		return rc;
	}
	memcpy(g->core.id_key, facts.key, sizeof(g->core.id_key));
	rc = gateway_files_secret(&g->files, facts.key);
	if (rc != XFED_OK) {
		snprintf(error, 256, "the dialback secret could not be made");
		xfed_wipe(&facts, sizeof(facts));
		return rc;
	}
	g->revision = facts.revision;
	if (differs(&g->revision, g->files.hash)) {
		make_next(&g->revision, g->files.hash);
		rc = store_write_revision(g->store, &g->revision, error);
	}
	xfed_wipe(&facts, sizeof(facts));
	if (rc == XFED_OK) {
		announce(g, "policy.loaded");
	}
	return rc;
}

/* ---- reload ---- */

/* Reads and checks on a worker; the store is written there too, so a revision is never told before it is kept. */
struct gateway_reload {
	struct gateway *gw;
	struct rt_reply reply;
	char *path;
	struct rt_conf_errors errors;
	struct gateway_files files;
	struct proto_revision revision;
	bool is_new, is_check;
	int rc;
};

static void run_reload(void *arg)
{
	struct gateway_reload *r = arg;
	char error[256];
	r->rc = gateway_files_load(r->path, &r->errors, &r->files);
	if (r->rc == XFED_OK && gateway_files_secret(&r->files, r->gw->core.id_key) != XFED_OK) {
		rt_conf_errors_add(&r->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, r->path, 0, 0, "dialback", "the secret could not be made");
		gateway_files_deinit(&r->files);
		r->rc = XFED_ERR_NOMEM;
	}
	if (r->rc != XFED_OK || r->is_check || !differs(&r->revision, r->files.hash)) {
		return;
	}
	make_next(&r->revision, r->files.hash);
	r->is_new = true;
	r->rc = store_write_revision(r->gw->store, &r->revision, error);
	if (r->rc != XFED_OK) {
		rt_conf_errors_add(&r->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, r->path, 0, 0, "store", "%s", error);
		gateway_files_deinit(&r->files);
	}
}

static void swap(struct gateway *g, struct gateway_reload *r)
{
	const struct gateway_config *c = r->files.config;
	rt_daemon_log_changes(&gateway_config_table, g->files.config, c);
	gateway_files_deinit(&g->files);
	g->files = r->files;
	r->files = (struct gateway_files){ 0 };
	rt_log_configure(c->log.level, c->log.format, c->log.mask_addresses);
	attempts_set_limits(g->attempts, &(struct recipients_limits){ c->limits.queue_messages, c->limits.queue_bytes });
	rt_resolver_flush(g->core.d.resolver);
	gateway_hops_forget(g);
	gateway_certs_judge(g);
	if (r->is_new) {
		g->revision = r->revision;
		announce(g, "policy.changed");
	}
	/* Also where nothing is new: what was being sent came out of the old snapshot's memory. */
	for (size_t i = 0; i < g->link_count; i++) {
		struct gateway_link *l = &g->links[i];
		if (l->is_up && (r->is_new || l->transfer_open)) {
			l->transfer_open = proto_transfer_start(&l->transfer, &g->revision, xfed_buf_span(&g->files.snapshot)) == XFED_OK;
		}
	}
	gateway_flush_soon(g);
}

static void answer_call(struct gateway_reload *r)
{
	json_t *j = rt_control_problems(&r->errors);
	if (j && r->rc == XFED_OK && !r->is_check) {
		json_object_set_new(j, "revision", json_integer((json_int_t)r->gw->revision.counter));
	}
	rt_reply_ok(r->reply, j);
	r->reply.done = NULL;
}

static void reload_free(struct gateway_reload *r)
{
	rt_reply_fail(r->reply, "failed", "the gateway stops");
	gateway_files_deinit(&r->files);
	rt_conf_errors_deinit(&r->errors);
	xfed_free(r->path);
	xfed_free(r);
}

static void reload_done(void *arg)
{
	struct gateway_reload *r = arg;
	struct gateway *g = r->gw;
	g->reload = NULL;
	if (g->is_closing) {
		reload_free(r);
		return;
	}
	if (!r->is_check) {
		rt_log_problems(&r->errors);
		if (r->rc == XFED_OK) {
			swap(g, r);
		}
		rt_daemon_log_reload(r->rc == XFED_OK);
		rt_notify_ready(g->core.d.notify, gateway_service_name(g->service));
	}
	answer_call(r);
	reload_free(r);
	if (g->reload_again) {
		g->reload_again = false;
		gateway_reload(g, (struct rt_reply){ 0 });
	}
}

static void begin(struct gateway *g, struct rt_reply reply, bool is_check)
{
	struct gateway_reload *r = xfed_calloc(1, sizeof(*r));
	char *path = xfed_strdup(g->config_path);
	if (r && path) {
		rt_conf_errors_init(&r->errors);
		r->gw = g;
		r->reply = reply;
		r->path = path;
		r->revision = g->revision;
		r->is_check = is_check;
		if (rt_job_submit(g->core.d.loop, run_reload, reload_done, r) == XFED_OK) {
			g->reload = r;
			return;
		}
		rt_conf_errors_deinit(&r->errors);
	}
	xfed_free(path);
	xfed_free(r);
	rt_log(RT_LOG_ERROR, "config.reload", RT_KV_BOOL("ok", false), RT_KV_STR("text", "out of memory"), RT_END);
	rt_reply_fail(reply, "failed", "out of memory");
}

void gateway_reload(struct gateway *g, struct rt_reply reply)
{
	if (g->reload && reply.done) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else if (g->reload) {
		g->reload_again = true;
	} else {
		rt_notify_reloading(g->core.d.notify);
		begin(g, reply, false);
	}
}

void gateway_check_files(struct gateway *g, struct rt_reply reply)
{
	if (g->reload) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else {
		begin(g, reply, true);
	}
}

/* ---- to the edges ---- */

void gateway_policy_greet(struct gateway_link *l)
{
	struct gateway *g = l->gw;
	const Xfed__Revision *theirs = proto_session_peer(gateway_link_session(l))->hello->policy;
	bool same = theirs && theirs->epoch == g->revision.epoch && theirs->counter == g->revision.counter &&
		    theirs->hash.len == sizeof(g->revision.hash) && memcmp(theirs->hash.data, g->revision.hash, theirs->hash.len) == 0;
	l->policy_problem = XFED_REASON_NONE;
	l->edge_has_policy = theirs && theirs->hash.len > 0;
	l->transfer_open = !same && proto_transfer_start(&l->transfer, &g->revision, xfed_buf_span(&g->files.snapshot)) == XFED_OK;
}

static void give_up_transfer(struct gateway_link *l)
{
	l->transfer_open = false;
	l->policy_problem = XFED_REASON_STREAM_INTERNAL;
	snprintf(l->policy_text, sizeof(l->policy_text), "%s", "the policy could not be sent");
	core_count_refusal(&l->gw->core, l->policy_problem, XFED_SIDE_US);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", l->name), RT_KV_U64("revision", l->gw->revision.counter),
		RT_KV_REASON(l->policy_problem), RT_KV_STR("text", l->policy_text), RT_END);
}

/* One or two frames a turn, so that parts travel between messages. */
void gateway_policy_pump(struct gateway_link *l)
{
	for (int i = 0; i < 2 && l->transfer_open; i++) {
		bool done = false;
		int rc = proto_transfer_pump(&l->transfer, gateway_link_session(l), &done);
		if (rc == XFED_ERR_INVALID || rc == XFED_ERR_TOO_LARGE) {
			give_up_transfer(l); /* would stand there for good, and nobody would know */
			return;
		}
		if (rc != XFED_OK) {
			return; /* no room now: when the output has drained, the link comes back here */
		}
		l->transfer_open = !done;
	}
	if (l->transfer_open) {
		gateway_flush_soon(l->gw);
	}
}

void gateway_policy_result(struct gateway_link *l, const Xfed__PolicyResult *m)
{
	enum xfed_reason reason = xfed_reason_of_peer(xfed_span_str(m->reason));
	uint64_t counter = m->revision ? m->revision->counter : 0;
	if (m->ok) {
		l->policy_problem = XFED_REASON_NONE;
		l->edge_has_policy = true;
		gateway_flush_soon(l->gw); /* what waited for it may go */
		rt_log(RT_LOG_INFO, "policy.accepted", RT_KV_STR("peer", l->name), RT_KV_U64("revision", counter), RT_END);
		return;
	}
	l->policy_problem = reason != XFED_REASON_NONE ? reason : XFED_REASON_CHANNEL_POLICY_DRIFT;
	proto_text_clean(l->policy_text, sizeof(l->policy_text), m->text);
	core_count_refusal(&l->gw->core, l->policy_problem, xfed_reason_info(l->policy_problem)->side);
	rt_log(RT_LOG_ERROR, "policy.refused", RT_KV_STR("peer", l->name), RT_KV_U64("revision", counter), RT_KV_REASON(l->policy_problem),
		RT_KV_STR("text", m->text), RT_END);
}
