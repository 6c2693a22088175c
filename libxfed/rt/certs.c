/* Certificates that end, ours and others', in the problems of `status` and in the metrics. */
#include "xfed/rt/control.h"

#include <stdlib.h>
#include <time.h>

#include "xfed/mem.h"
#include "xfed/rt/daemon.h"
#include "xfed/rt/process.h"

enum xfed_reason rt_cert_problem(const struct xfed_cert *cert, int64_t now_s)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	return f->not_after_s < now_s ? XFED_REASON_TLS_OWN_EXPIRED : f->not_before_s > now_s ? XFED_REASON_TLS_OWN_NOT_YET_VALID : XFED_REASON_NONE;
}

void rt_conf_check_certificate(struct rt_conf_doc *doc, const void *object, const char *key, const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	int64_t now_s = (int64_t)time(NULL);
	enum xfed_reason reason = rt_cert_problem(cert, now_s);
	bool is_over = reason == XFED_REASON_TLS_OWN_EXPIRED;
	char when[24], now[24];
	if (reason != XFED_REASON_NONE) {
		rt_conf_warn(doc, object, key, reason, "our certificate %.200s %s (%.10s; it is %.10s by this host's clock)", f->subject,
			is_over ? "has expired" : "is not valid yet", rt_control_time(is_over ? f->not_after_s : f->not_before_s, when),
			rt_control_time(now_s, now));
	}
}

static void add_certificate(json_t *list, const struct xfed_cert *cert, int64_t now_s)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	char when[24], now[24];
	enum xfed_reason reason = rt_cert_problem(cert, now_s);
	rt_control_time(now_s, now);
	if (reason == XFED_REASON_TLS_OWN_NOT_YET_VALID) {
		rt_control_add_problem(list, reason, now_s,
			"Our certificate %.200s is not valid before %s, and it is %s by this host's clock: where that is wrong set it (timedatectl); "
			"else "
			"take one that is valid now, and reload.",
			f->subject, rt_control_time(f->not_before_s, when), now);
	} else if (reason == XFED_REASON_TLS_OWN_EXPIRED) {
		rt_control_add_problem(list, reason, f->not_after_s,
			"Our certificate %.200s has expired, at %s: renew it, and reload. It is %s by this host's clock: where that is wrong set it "
			"(timedatectl) instead.",
			f->subject, rt_control_time(f->not_after_s, when), now);
	} else if (f->not_after_s < now_s + RT_CERT_SOON_S) {
		rt_control_add_problem(list, XFED_REASON_TLS_OWN_EXPIRED, f->not_after_s,
			"Our certificate %.200s expires within 14 days, at %s: renew it, and reload.", f->subject,
			rt_control_time(f->not_after_s, when));
	}
}

void rt_control_add_certificates(json_t *list, const struct xfed_tls_creds *creds, int64_t now_s)
{
	const struct xfed_cert *cert;
	for (size_t i = 0; creds && (cert = xfed_tls_creds_cert(creds, i)); i++) {
		add_certificate(list, cert, now_s);
	}
}

/* Certificates with the same subject, such as those of the channel and of SIP, are one metric: that of the one that expires first. */
static bool is_first_to_end(const struct xfed_cert_facts *f, const struct xfed_tls_creds *const *sets, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		const struct xfed_cert *cert;
		for (size_t i = 0; sets[k] && (cert = xfed_tls_creds_cert(sets[k], i)); i++) {
			const struct xfed_cert_facts *other = xfed_cert_facts(cert);
			if (strcmp(other->subject, f->subject) == 0 && other->not_after_s < f->not_after_s) {
				return false;
			}
		}
	}
	return true;
}

/* What is ours at present. */
struct ours {
	const struct xfed_tls_creds *const *sets;
	size_t count;
};

static bool is_ours(void *user, const char *name)
{
	const struct ours *o = user;
	for (size_t k = 0; k < o->count; k++) {
		const struct xfed_cert *cert;
		for (size_t i = 0; o->sets[k] && (cert = xfed_tls_creds_cert(o->sets[k], i)); i++) {
			if (strcmp(xfed_cert_facts(cert)->subject, name) == 0) {
				return true;
			}
		}
	}
	return false;
}

static void set_metric(void *user, const struct rt_cert_end *end)
{
	rt_metric_set(user, RT_M_CERTIFICATE_NOT_AFTER, (double)end->not_after_s,
		RT_LABELS(xfed_span_str(end->name), xfed_span_str(rt_cert_owner_word(end->owner))));
}

void rt_daemon_certificates(struct rt_daemon *d, const struct xfed_tls_creds *const *sets, size_t count)
{
	struct ours ours = { sets, count };
	int64_t now_s = rt_daemon_wall_s(d);
	rt_certs_keep(d->certs, RT_CERT_US, is_ours, &ours); /* they may have been replaced by a reload */
	for (size_t k = 0; k < count; k++) {
		const struct xfed_cert *cert;
		for (size_t i = 0; sets[k] && (cert = xfed_tls_creds_cert(sets[k], i)); i++) {
			const struct xfed_cert_facts *f = xfed_cert_facts(cert);
			if (is_first_to_end(f, sets, count)) {
				rt_certs_seen(d->certs, RT_CERT_US, xfed_span_str(f->subject), cert, now_s);
			}
		}
	}
	rt_certs_tick(d->certs, now_s);
#define CLEAR(id, word) rt_metric_clear(d->metrics, RT_M_CERTIFICATE_NOT_AFTER, 1, XFED_SPAN(word));
	RT_CERT_OWNERS(CLEAR)
#undef CLEAR
	rt_certs_each(d->certs, set_metric, d->metrics);
}

/* ---- of others, in `status` ---- */

struct soon {
	json_t *list;
	int64_t now_s;
	enum rt_cert_owner owner;
};

static void add_soon(void *user, const struct rt_cert_end *end)
{
	const struct soon *s = user;
	char when[24];
	if (end->owner != s->owner || end->not_after_s >= s->now_s + RT_CERT_SOON_S) {
		return;
	}
	rt_control_time(end->not_after_s, when);
	if (end->owner == RT_CERT_CHANNEL) {
		rt_control_add_problem(s->list, XFED_REASON_TLS_OWN_EXPIRED, end->not_after_s,
			"The certificate that %.200s shows on the channel expires within 14 days, at %s: xfedctl cert channel-renew on the host of "
			"the "
			"channel's authority, and join there with the bundle.",
			end->name, when);
	} else {
		rt_control_add_problem(s->list, XFED_REASON_TLS_CERT_EXPIRED, end->not_after_s,
			"The certificate of %.200s expires within 14 days, at %s, and was not renewed when it was shown last. That is for the "
			"partner to do.",
			end->name, when);
	}
}

void rt_daemon_add_ends(const struct rt_daemon *d, enum rt_cert_owner owner, json_t *list)
{
	struct soon s = { list, rt_daemon_wall_s(d), owner };
	rt_certs_each(d->certs, add_soon, &s);
}

static void add_watched(void *user, const struct rt_cert_end *end)
{
	json_array_append_new(user,
		json_pack("{s:s, s:s, s:I}", "name", end->name, "owner", rt_cert_owner_word(end->owner), "not_after", (json_int_t)end->not_after_s));
}

json_t *rt_daemon_watched(const struct rt_daemon *d)
{
	json_t *list = json_array();
	rt_certs_each(d->certs, add_watched, list);
	return list;
}

static int by_end(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "not_after"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "not_after"));
	return x < y ? -1 : x > y;
}

json_t *rt_certs_soonest(const json_t *list, size_t max)
{
	size_t i, count = json_array_size(list);
	json_t **all = xfed_calloc(count > 0 ? count : 1, sizeof(all[0])), *out = all ? json_array() : NULL, *one;
	if (!out) {
		xfed_free(all);
		return NULL;
	}
	json_array_foreach(list, i, one) {
		all[i] = one;
	}
	qsort(all, count, sizeof(all[0]), by_end);
	for (i = 0; i < count && i < max; i++) {
		json_array_append(out, all[i]);
	}
	xfed_free(all);
	return out;
}
