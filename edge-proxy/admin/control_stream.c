/* Commands about one stream or one pair of domains: show, close, dial again. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/check.h"

#include "util/hex.h"
#include "xfed/mem.h"

/* ---- look-up ---- */

/* The number in `id`; 0, which no stream has: not a number. */
static uint64_t number_of(const struct admin *a, struct xfed_span id)
{
	char digits[24], *end;
	size_t name_len = strlen(a->config->base.name);
	bool is_named = id.len > name_len && memcmp(id.data, a->config->base.name, name_len) == 0 && id.data[name_len] == '/';
	size_t skip = is_named ? name_len + 1 : 0;
	if (id.len - skip == 0 || id.len - skip >= sizeof(digits) || id.data[skip] < '0' || id.data[skip] > '9') {
		return 0;
	}
	memcpy(digits, id.data + skip, id.len - skip);
	digits[id.len - skip] = '\0';
	unsigned long long n = strtoull(digits, &end, 10);
	return *end == '\0' ? n : 0;
}

/* ---- stream show ---- */

/* Stream management: stanzas sent and received since it was enabled, and how many of them the other side, or we, have acknowledged. */
static void add_sm(json_t *j, const struct xfed_s2s_info *info)
{
	bool is_in = info->direction == XFED_S2S_IN;
	json_object_set_new(j, "stream_management",
		json_pack("{s:I, s:I}", is_in ? "received" : "sent", (json_int_t)(is_in ? info->sm_received : info->sm_sent), "acknowledged",
			(json_int_t)(is_in ? info->sm_covered : info->sm_acked)));
}

static void add_tls(json_t *j, const struct xfed_s2s_info *info)
{
	enum xfed_reason problem = info->direction == XFED_S2S_OUT ? info->cert_reason : info->tls.chain_reason;
	if (info->tls.peer) {
		json_object_set_new(j, "certificate", check_certificate(info->tls.peer, 100));
	}
	if (problem != XFED_REASON_NONE) {
		json_object_set_new(j, "certificate_problem", json_string(xfed_reason_code(problem)));
	}
}

json_t *admin_stream_show(struct admin *a, struct xfed_span id)
{
	struct s2s_stream st;
	if (!s2s_find(a->s2s, number_of(a, id), &st)) {
		return NULL;
	}
	json_t *j = admin_stream_json(a, &st);
	if (j) {
		json_object_set_new(j, "stanzas_in", json_integer((json_int_t)st.stanzas_in));
		json_object_set_new(j, "stanzas_out", json_integer((json_int_t)st.stanzas_out));
		json_object_set_new(j, "paused", json_boolean(st.is_paused));
	}
	if (j && st.info.peer_bytes > 0) {
		json_object_set_new(j, "peer_stanza_size", json_integer((json_int_t)st.info.peer_bytes));
	}
	if (j && st.info.has_sm) {
		add_sm(j, &st.info);
	}
	if (j && st.info.is_secure) {
		add_tls(j, &st.info);
	}
	return j;
}

/* ---- stream close ---- */

json_t *admin_stream_close(struct admin *a, struct xfed_span id)
{
	struct s2s_stream st;
	if (!s2s_find(a->s2s, number_of(a, id), &st)) {
		return NULL;
	}
	json_t *j = json_pack("{s:I, s:o, s:o, s:s}", "id", (json_int_t)st.id, "local", rt_control_text(st.info.local), "remote",
		rt_control_text(st.info.remote), "reason", xfed_reason_code(XFED_REASON_STREAM_CLOSED_OPERATOR));
	s2s_stream_close(a->s2s, st.id, XFED_REASON_STREAM_CLOSED_OPERATOR);
	return j;
}

/* ---- pairs ---- */

static json_t *pair_json(const struct s2s_pair_facts *p)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:I}", "local", p->local, "remote", p->remote, "state", p->state, "queued", (json_int_t)p->queued);
	if (j && p->retry_in_ms > 0) {
		json_object_set_new(j, "retry_in_ms", json_integer((json_int_t)p->retry_in_ms));
	}
	if (j && p->last_reason != XFED_REASON_NONE) {
		json_object_set_new(j, "last_reason", json_string(xfed_reason_code(p->last_reason)));
	}
	return j;
}

static void set_out(void *user, const struct s2s_pair_facts *p)
{
	json_object_set_new(user, "out", pair_json(p));
}

/* Whether what we send is acknowledged: by stream management on the stream of ours that the pair has. */
struct acks {
	struct xfed_span local, remote;
	bool has_them;
};

static void look_for_acks(void *user, const struct s2s_stream *st)
{
	struct acks *k = user;
	bool is_it = st->direction == XFED_S2S_OUT && st->info.has_sm && xfed_span_eq(st->info.local, k->local) &&
		     xfed_span_eq(st->info.remote, k->remote);
	k->has_them = k->has_them || is_it;
}

static void set_acks(const struct admin *a, json_t *j, struct xfed_span local, struct xfed_span remote)
{
	struct acks k = { .local = local, .remote = remote };
	json_t *out = json_object_get(j, "out");
	if (out) {
		s2s_each(a->s2s, look_for_acks, &k);
		json_object_set_new(out, "acknowledges", json_boolean(k.has_them));
	}
}

/* How the last attempt ended, even where the pair itself has been forgotten since. */
static void set_standing(json_t *j, const struct admin *a, struct xfed_span local, struct xfed_span remote)
{
	char of_us[XFED_JID_PART_BYTES + 1], of_them[XFED_JID_PART_BYTES + 1];
	snprintf(of_us, sizeof(of_us), "%.*s", (int)local.len, local.data ? local.data : "");
	snprintf(of_them, sizeof(of_them), "%.*s", (int)remote.len, remote.data ? remote.data : "");
	const struct s2s_standing *st = s2s_standing_of(a->s2s, of_us, of_them);
	if (st) {
		bool fails = st->reason != XFED_REASON_NONE;
		json_object_set_new(j, "last",
			json_pack("{s:s*, s:s, s:I, s:I, s:s*}", "reason", fails ? xfed_reason_code(st->reason) : NULL, "text", st->text, "failed",
				(json_int_t)st->failed_s, "worked", (json_int_t)st->worked_s, "why_not_external",
				st->why_not_external != XFED_REASON_NONE ? xfed_reason_code(st->why_not_external) : NULL));
	}
}

json_t *admin_pair(struct admin *a, struct xfed_span local, struct xfed_span remote)
{
	const struct xfed_policy *policy = s2s_policy(a->s2s);
	const struct proto_revision *r = channel_revision(a->channel);
	char hash[2 * sizeof(r->hash) + 1];
	xfed_hex(hash, r->hash, sizeof(r->hash));
	json_t *j = json_pack("{s:s, s:b, s:b, s:b, s:I, s:I, s:s}", "state", a->service_word(a->user), "is_local",
		policy && xfed_policy_is_local(policy, local), "is_listed", policy && xfed_policy_partner(policy, remote) != NULL, "in",
		s2s_has_inbound(a->s2s, local, remote), "epoch", (json_int_t)r->epoch, "revision", (json_int_t)r->counter, "hash", hash);
	if (j) {
		s2s_each_pair(a->s2s, local, remote, set_out, j);
		set_acks(a, j, local, remote);
		set_standing(j, a, local, remote);
	}
	return j;
}

static void add_pair(void *user, const struct s2s_pair_facts *p)
{
	json_array_append_new(user, pair_json(p));
}

/* Dials the pairs with `remote` that status reports as failing, also those forgotten since. */
static int retry_failing(struct admin *a, const struct xfed_policy *policy, struct xfed_span remote)
{
	char of_them[XFED_JID_PART_BYTES + 1];
	int rc = XFED_OK;
	snprintf(of_them, sizeof(of_them), "%.*s", (int)remote.len, remote.data);
	for (size_t i = 0; i < xfed_policy_local_count(policy) && rc == XFED_OK; i++) {
		const char *local = xfed_policy_local_at(policy, i);
		const struct s2s_standing *st = s2s_standing_of(a->s2s, local, of_them);
		rc = st && st->reason != XFED_REASON_NONE ? s2s_retry(a->s2s, xfed_span_str(local), remote) : XFED_OK;
	}
	return rc;
}

json_t *admin_retry(struct admin *a, struct xfed_span local, struct xfed_span remote)
{
	const struct xfed_policy *policy = s2s_policy(a->s2s);
	if (s2s_retry(a->s2s, local, remote) != XFED_OK || (policy && local.len == 0 && retry_failing(a, policy, remote) != XFED_OK)) {
		return NULL;
	}
	json_t *list = json_array();
	if (policy && xfed_policy_partner(policy, remote) && (local.len == 0 || xfed_policy_is_local(policy, local))) {
		s2s_each_pair(a->s2s, local, remote, add_pair, list);
	}
	return json_pack("{s:o}", "pairs", list);
}
