/* What is in force: the files and their revision, and look-ups in them. */
#include <stdio.h>
#include <unistd.h>

#include "policy/policy_impl.h"
#include "xfed/hash.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"

const struct config *policy_config(const struct policy *p)
{
	return p->files->config;
}

const struct xfed_policy *policy_partners(const struct policy *p)
{
	return p->files->partners;
}

struct xfed_tls_creds *policy_channel_creds(const struct policy *p)
{
	return p->files->channel_creds;
}

struct xfed_tls_creds *policy_outside_creds(const struct policy *p)
{
	return p->files->outside_creds;
}

struct xfed_tls_creds *policy_sip_creds(const struct policy *p)
{
	return p->files->sip_creds;
}

struct xfed_tls_creds *policy_panel_creds(const struct policy *p)
{
	return p->files->panel_creds;
}

const struct policy_panel_pem *policy_panel_pem(const struct policy *p)
{
	return &p->files->panel_pem;
}

const struct access_rule *policy_access_rules(const struct policy *p)
{
	return access_set_rules(p->files->access);
}

const struct policy_broken *policy_broken(const struct policy *p)
{
	return &p->files->broken;
}

const struct proto_revision *policy_revision(const struct policy *p)
{
	return &p->revision;
}

struct xfed_span policy_snapshot(const struct policy *p)
{
	return xfed_buf_span(&p->files->snapshot);
}

/* ---- partners and users ---- */

const struct xfed_partner *policy_partner(const struct policy *p, struct xfed_span domain)
{
	return domain.len > 0 ? xfed_policy_partner(p->files->partners, domain) : NULL;
}

enum xfed_reason policy_why_not(const struct policy *p, struct xfed_span domain)
{
	return xfed_policy_why_not(p->files->partners, domain);
}

uint64_t policy_partner_share(const struct policy *p, struct xfed_span domain)
{
	const struct xfed_partner *partner = policy_partner(p, domain);
	return partner ? xfed_hash_bytes(partner->domain, strlen(partner->domain)) : 0;
}

const char *policy_partner_label(const struct policy *p, struct xfed_span domain)
{
	const struct xfed_partner *partner = policy_partner(p, domain);
	return partner ? partner->domain : "other";
}

void policy_partner_path(const struct policy *p, const struct xfed_partner *partner, char out[512])
{
	const char *dir = p->files->config->partners_dir;
	struct xfed_arena a;
	struct xfed_span ascii;
	xfed_arena_init(&a, 16384);
	snprintf(out, 512, "%.200s/%.255s.yaml", dir, partner->domain);
	if (access(out, F_OK) != 0 && xfed_jid_domain_ascii(&a, xfed_span_str(partner->domain), &ascii) == XFED_OK) {
		snprintf(out, 512, "%.200s/%.*s.yaml", dir, (int)(ascii.len > 255 ? 255 : ascii.len), ascii.data);
	}
	xfed_arena_deinit(&a);
}

const char *policy_not_partner_words(const struct policy *p, struct xfed_span domain, char out[1024])
{
	const char *dir = p->files->config->partners_dir;
	char found[512];
	int len = (int)(domain.len < 255 ? domain.len : 255);
	enum xfed_reason why_not = policy_why_not(p, domain);
	if (why_not == XFED_REASON_POLICY_PARTNER_DISABLED) {
		policy_partner_path(p, xfed_policy_owner(p->files->partners, domain), found);
		snprintf(out, 1024, "%.400s has enabled: false", found);
	} else if (why_not == XFED_REASON_POLICY_PARTNER_BROKEN) {
		snprintf(out, 1024, "a file in %.200s that cannot be loaded names %.*s", dir, len, domain.data);
	} else if (policy_dir_find_stray(dir, domain, found)) {
		bool is_named = policy_dir_is_named(found, domain);
		snprintf(out, 1024, "no file in %.200s covers %.*s; %.400s lies there and is not loaded: %s", dir, len, domain.data, found,
			is_named ? "reload" : "its name has to end in .yaml alone, rename it and reload");
	} else {
		snprintf(out, 1024, "no file in %.200s covers %.*s", dir, len, domain.data);
	}
	return out;
}

/* ---- facts for the gates ---- */

struct policy_ends policy_ends(const struct policy *p, bool is_from_sip, struct xfed_span from_domain, struct xfed_span to_domain)
{
	const struct config *c = p->files->config;
	return is_from_sip ? (struct policy_ends){ config_inside(c, from_domain), config_inside(c, to_domain) }
			   : (struct policy_ends){ config_domain(c, from_domain), config_domain(c, to_domain) };
}

const struct xfed_partner *policy_pair_facts(
	const struct policy *p, const struct xfed_jid *user, struct xfed_span remote_domain, struct policy_facts *f, const struct access_rule **rule)
{
	const struct xfed_partner *partner = policy_partner(p, remote_domain);
	f->is_listed = partner != NULL;
	f->is_refused = !partner && policy_why_not(p, remote_domain) == XFED_REASON_POLICY_PARTNER_BROKEN;
	f->is_disabled = !partner && policy_why_not(p, remote_domain) == XFED_REASON_POLICY_PARTNER_DISABLED;
	if (partner) {
		f->type = partner->type;
		f->kinds = partner->kinds;
	}
	enum xfed_reason why_not = access_set_judge(p->files->access, user, rule);
	f->access_allows = why_not == XFED_REASON_NONE;
	f->access_is_broken = why_not == XFED_REASON_POLICY_ACCESS_BROKEN;
	return partner;
}

const struct iw_presence_choice *policy_presence_choice(const struct policy *p, const struct xfed_partner *partner)
{
	return partner_presence_find(p->files->presence, partner->domain);
}

void policy_presence_map(const struct policy *p, const struct config_domain *local, struct xfed_span remote_domain, struct iw_presence_map *out)
{
	const struct xfed_partner *partner = p->files->presence ? policy_partner(p, remote_domain) : NULL;
	const struct iw_presence_choice *choice = partner ? policy_presence_choice(p, partner) : NULL;
	*out = local->map;
	if (choice) {
		iw_presence_map_choose(out, choice);
	}
}

/* ---- the revision ---- */

void policy_announce(const struct policy *p, const char *event)
{
	rt_metric_set(p->core->d.metrics, RT_M_POLICY_REVISION, (double)p->revision.counter, RT_NO_LABELS);
	rt_log(RT_LOG_INFO, event, RT_KV_U64("epoch", p->revision.epoch), RT_KV_U64("revision", p->revision.counter),
		RT_KV_U64("partners", xfed_policy_good_count(p->files->partners)), RT_KV_U64("domains", xfed_policy_local_count(p->files->partners)),
		RT_END);
}

bool policy_next_revision(struct proto_revision *r, const struct policy_files *f, const struct proto_revision *outbid)
{
	bool is_outbid = outbid->counter > 0 && proto_revision_compare(r, outbid) <= 0;
	if (r->counter > 0 && memcmp(r->hash, f->hash, sizeof(r->hash)) == 0 && !is_outbid) {
		return false;
	}
	if (is_outbid) {
		r->epoch = outbid->epoch;
		r->counter = outbid->counter;
	}
	r->counter++;
	memcpy(r->hash, f->hash, sizeof(r->hash));
	return true;
}

/* ---- start and end ---- */

static void kept(struct store_batch *b)
{
	(void)b; /* only at the start, when the store writes within store_submit(): nothing waits for it */
}

static int keep_revision(struct policy *p, char error[256])
{
	struct store_batch b;
	store_batch_init(&b, kept);
	int rc = store_put_revision(&b, &p->revision);
	if (rc == XFED_OK) {
		store_submit(p->store, &b);
		rc = b.written;
		snprintf(error, 256, "%s", b.error);
	}
	store_batch_deinit(&b);
	return rc;
}

static void tell_broken(const struct policy_broken *b)
{
	for (const struct policy_broken_file *f = b->first; f; f = f->next) {
		rt_log(RT_LOG_ERROR, "policy.broken", RT_KV_REASON(f->reason), RT_KV_STR("text", f->text), RT_END);
	}
}

static int come_into_force(struct policy *p, char error[256])
{
	struct store_facts facts;
	int rc = store_load_facts(p->store, &facts, error);
	if (rc != XFED_OK) {
		return rc;
	}
	memcpy(p->core->id_key, facts.key, sizeof(p->core->id_key));
	xfed_wipe(facts.key, sizeof(facts.key));
	p->revision = facts.revision;
	rc = policy_files_secret(p->files, p->core->id_key);
	if (rc != XFED_OK) {
		snprintf(error, 256, "the dialback secret could not be made");
		return rc;
	}
	if (policy_next_revision(&p->revision, p->files, &p->outbid)) {
		rc = keep_revision(p, error);
	}
	if (rc == XFED_OK) {
		p->files->broken.since_s = core_wall_s(p->core);
		policy_announce(p, "policy.loaded");
		tell_broken(&p->files->broken);
	}
	return rc;
}

int policy_new(struct core *core, struct store *store, const char *path, struct policy_files *files, const struct policy_user *user, void *user_data,
	struct policy **out, char error[256])
{
	struct policy *p = xfed_calloc(1, sizeof(*p));
	char *copy = xfed_strdup(path);
	*out = NULL;
	snprintf(error, 256, "out of memory");
	if (!p || !copy) {
		policy_files_free(files);
		xfed_free(copy);
		xfed_free(p);
		return XFED_ERR_NOMEM;
	}
	*p = (struct policy){ .core = core, .store = store, .path = copy, .files = files, .user = user, .user_data = user_data };
	int rc = come_into_force(p, error);
	if (rc != XFED_OK) {
		policy_free(p);
		return rc;
	}
	*out = p;
	return XFED_OK;
}

void policy_stop(struct policy *p)
{
	if (p) {
		p->is_stopped = true;
	}
}

void policy_free(struct policy *p)
{
	if (p) {
		policy_files_free(p->files);
		xfed_free(p->path);
		xfed_free(p);
	}
}
