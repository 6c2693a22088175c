#include "s2s/s2s_impl.h"

#include "xfed/mem.h"
#include "xfed/rt/process.h"

/* ---- life of the room ---- */

int s2s_new(struct core *core, const struct s2s_user *user, void *user_data, const struct edge_config *config, struct s2s **out)
{
	struct s2s *s = xfed_calloc(1, sizeof(*s));
	*out = s;
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	s->core = core;
	s->user = user;
	s->user_data = user_data;
	s->config = config;
	s->why_not = XFED_REASON_CHANNEL_DOWN;
	s->certs_due_s = INT64_MAX;
	xfed_buf_init(&s->scratch, XFED_FRAME_BYTES_MAX);
	rt_post_init(&s->tell_verdicts, core->d.loop, s2s_questions_tell, s);
	return XFED_OK;
}

void s2s_stop(struct s2s *s)
{
	if (!s) {
		return;
	}
	s2s_probes_stop(s);
	s2s_conns_stop(s);
	s2s_pairs_free(s);
	s2s_verdicts_free(s);
	s2s_standings_free(s);
	rt_post_cancel(&s->tell_verdicts);
}

void s2s_free(struct s2s *s)
{
	if (!s) {
		return;
	}
	s2s_tallies_tick(s, UINT64_MAX);
	for (size_t i = 0; i < S2S_SOURCES; i++) {
		rt_sources_deinit(&s->sources[i]);
	}
	rt_reach_deinit(&s->reach);
	xfed_buf_deinit(&s->scratch);
	xfed_policy_free(s->policy);
	xfed_tls_creds_unref(s->creds);
	xfed_free(s);
}

void s2s_tick(struct s2s *s, uint64_t now_ms)
{
	s2s_pairs_tick(s, now_ms);
	s2s_newest_tick(s, now_ms);
	s2s_tallies_tick(s, now_ms);
	s2s_certs_tick(s);
	for (size_t i = 0; i < S2S_SOURCES; i++) {
		rt_sources_tick(&s->sources[i], now_ms);
	}
	rt_tidy(&s->tidy, s->freed, now_ms);
}

/* ---- configuration ---- */

/* Public CAs leave out clientAuth since 2026: some partners then refuse our certificate for EXTERNAL. */
static void warn_about_certificates(const struct s2s *s)
{
	for (size_t i = 0; xfed_tls_creds_cert(s->creds, i); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(xfed_tls_creds_cert(s->creds, i));
		if (f->eku != 0 && !(f->eku & (XFED_EKU_CLIENT | XFED_EKU_ANY))) {
			rt_log(RT_LOG_WARNING, "certificate.no-client-auth", RT_KV_STR("certificate", f->subject),
				RT_KV_STR("text", "partners that insist on clientAuth (ejabberd) will refuse it for EXTERNAL"), RT_END);
		}
	}
}

void s2s_configure(struct s2s *s, const struct edge_config *config, struct xfed_tls_creds *creds)
{
	struct xfed_tls_creds *before = s->creds;
	s->config = config;
	s->creds = creds;
	s2s_trust_loaded(s);
	s2s_certs_name_ours(s);
	s2s_shares_configure(s);
	s2s_certs_judge(s, before);
	xfed_tls_creds_unref(before);
	s->reach.read_at_ms = 0; /* forces the addresses of this host to be read again */
	s2s_pairs_forget_backoff(s);
	warn_about_certificates(s);
}

const struct xfed_tls_creds *s2s_creds(const struct s2s *s)
{
	return s->creds;
}

void s2s_set_service(struct s2s *s, enum xfed_reason why_not, bool is_leaving)
{
	s->why_not = why_not;
	s->is_leaving = is_leaving;
}

/* ---- streams, for the rooms above ---- */

void s2s_accept(struct s2s *s, struct rt_stream *stream)
{
	if (!s2s_admit_partner(s, stream)) {
		rt_stream_close(stream); /* closed as TCP, without a stream error [A12-04] */
		return;
	}
	if (!s2s_work_spend(s, rt_stream_peer(stream), 1)) {
		core_count_refusal(s->core, XFED_REASON_POLICY_WORK_EXCEEDED, XFED_SIDE_PARTNER);
		rt_stream_close(stream); /* without a stream error too: the peer would only connect again */
		return;
	}
	s2s_conn_accept(s, stream);
}

void s2s_each(struct s2s *s, void (*fn)(void *user, const struct s2s_stream *st), void *user)
{
	struct s2s_conn *c, *next;
	HASH_ITER(hh, s->conns, c, next) {
		struct s2s_stream st;
		if (!c->d.is_closed) {
			s2s_stream_facts(c, &st);
			fn(user, &st);
		}
	}
}

bool s2s_find(struct s2s *s, uint64_t id, struct s2s_stream *out)
{
	const struct s2s_conn *c = s2s_conn_find(s, id);
	if (!c || c->d.is_closed) {
		return false;
	}
	s2s_stream_facts(c, out);
	return true;
}

/* Of several pairs that dialback has proved on one stream, only the first is looked at. */
bool s2s_has_inbound(struct s2s *s, struct xfed_span local, struct xfed_span remote)
{
	for (const struct s2s_conn *c = s->conns; c; c = c->hh.next) {
		struct xfed_s2s_info info;
		if (c->d.is_closed || !c->is_established || c->direction != XFED_S2S_IN) {
			continue;
		}
		xfed_s2s_info(c->d.machine, &info);
		if (xfed_span_eq(info.remote, remote) && xfed_span_eq(info.local, local)) {
			return true;
		}
	}
	return false;
}

void s2s_stream_close(struct s2s *s, uint64_t id, enum xfed_reason reason)
{
	struct s2s_conn *c = s2s_conn_find(s, id);
	if (c) {
		s2s_conn_close(c, reason, "");
	}
}

void s2s_close_all(struct s2s *s, bool incoming_alone, enum xfed_reason reason)
{
	struct s2s_conn *c, *next;
	HASH_ITER(hh, s->conns, c, next) {
		if (!incoming_alone || c->direction == XFED_S2S_IN) {
			s2s_conn_close(c, reason, "going out of service");
		}
	}
}

size_t s2s_count(const struct s2s *s)
{
	return s->conn_count;
}

size_t s2s_count_incoming(const struct s2s *s)
{
	return s->incoming;
}

void s2s_count_established(struct s2s *s, size_t *in, size_t *out)
{
	*in = *out = 0;
	for (const struct s2s_conn *c = s->conns; c; c = c->hh.next) {
		if (c->is_established && !c->d.is_closed) {
			(*(c->direction == XFED_S2S_IN ? in : out))++;
		}
	}
}
