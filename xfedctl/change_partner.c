/* partner add, set, remove. */
#include <unistd.h>

#include "change_settings.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/jid.h"
#include "xfed/limits.h"

static bool try_file(struct change *c, struct xfed_span name)
{
	int len = snprintf(c->file, sizeof(c->file), "%s/%.*s.yaml", c->config->partners_dir, (int)name.len, name.data);
	return len > 0 && len < (int)sizeof(c->file) && access(c->file, F_OK) == 0;
}

/* `c->file` is the partner's, by its name as it is written or in A-labels; where there is none, the first of them. */
static enum ctl_exit find_file(struct change *c, const char *domain, char name[XFED_JID_PART_BYTES + 1])
{
	struct xfed_arena a;
	struct xfed_span normal, ascii;
	const char *accepted = "a domain";
	xfed_arena_init(&a, 65536);
	enum ctl_exit rc = CTL_FINE;
	if (rt_conf_convert_domain(&a, xfed_span_str(domain), &normal, &accepted) != XFED_OK ||
		xfed_jid_domain_ascii(&a, normal, &ascii) != XFED_OK) {
		rc = change_refuse(c, "found \"%.200s\", accepted: %s", domain, accepted);
	} else {
		snprintf(name, XFED_JID_PART_BYTES + 1, "%.*s", (int)normal.len, normal.data);
		if (!try_file(c, normal) && !try_file(c, ascii)) {
			(void)try_file(c, normal);
		}
	}
	xfed_arena_deinit(&a);
	return rc;
}

/* One of a partner's further domains may be meant. */
static enum ctl_exit not_listed(const struct change *c, const char *domain)
{
	char error[256];
	json_t *args = json_pack("{s:s}", "domain", domain), *answer = NULL;
	(void)ctl_ask(c->socket, "partner", "show", args, NULL, &answer, error);
	const char *whose = ctl_str(json_object_get(answer, "result"), "domain");
	enum ctl_exit rc = whose[0] ? change_refuse(c, "%s is one of the domains of %s: change that one", domain, whose)
				    : change_refuse(c, "%s is not listed: there is no %s", domain, c->file);
	json_decref(args);
	json_decref(answer);
	return rc;
}

static enum ctl_exit set(struct change *c, const json_t *args, bool is_new)
{
	const char *domain = ctl_str(args, "domain");
	char name[XFED_JID_PART_BYTES + 1];
	bool exists;
	enum ctl_exit rc = find_file(c, domain, name);
	rc = rc == CTL_FINE ? change_read(c, RT_CONF_FILE_BYTES, &exists) : rc;
	if (rc != CTL_FINE) {
		return rc;
	}
	if (exists == is_new) {
		return is_new ? change_refuse(c, "%s is listed already: partner set changes it", name) : not_listed(c, name);
	}
	rc = is_new ? change_begin_file(c, &partner_file_table, "domain", name) : CTL_FINE;
	rc = rc == CTL_FINE ? change_settings(c, &partner_file_table, json_object_get(args, "settings"), is_new) : rc;
	return rc == CTL_FINE ? change_make(c) : rc;
}

enum ctl_exit ctl_do_partner_add(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "partner add", args, options);
	rc = rc == CTL_FINE ? set(&c, args, true) : rc;
	change_close(&c);
	return rc;
}

enum ctl_exit ctl_do_partner_set(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "partner set", args, options);
	rc = rc == CTL_FINE ? set(&c, args, false) : rc;
	change_close(&c);
	return rc;
}

static enum ctl_exit take_away(struct change *c, const char *domain)
{
	char name[XFED_JID_PART_BYTES + 1];
	bool exists;
	enum ctl_exit rc = find_file(c, domain, name);
	rc = rc == CTL_FINE ? change_read(c, RT_CONF_FILE_BYTES, &exists) : rc;
	if (rc == CTL_FINE && !exists) {
		return not_listed(c, name);
	}
	if (rc == CTL_FINE) {
		change_note(c,
			"nobody may exchange anything with %s and its additional_domains any more (policy.partner.unlisted), unless the file of "
			"another partner names them",
			name);
	}
	c->is_gone = true;
	return rc == CTL_FINE ? change_make(c) : rc;
}

enum ctl_exit ctl_do_partner_remove(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "partner remove", args, options);
	rc = rc == CTL_FINE ? take_away(&c, ctl_str(args, "domain")) : rc;
	change_close(&c);
	return rc;
}
