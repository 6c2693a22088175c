/*
 * Changes of files. xfedctl writes them, with the rights of whoever runs it: the service may not write what it is ruled by (its unit
 * fences it off, and what comes from the DMZ must not become policy). Here they are judged before they are in their place, one at a
 * time, brought into force and told in the audit log.
 */
#include <limits.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "admin/writer.h"

void command_change_files(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	char path[PATH_MAX];
	const char *file = policy_config(ad->policy)->base.doc.file;
	(void)args;
	/* Given on a command line, it may be a relative one. */
	rt_reply_ok(reply, json_pack("{s:s}", "config", realpath(file, path) ? path : file));
}

static size_t dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

bool admin_is_beside(const char *with, const char *file)
{
	char target[PATH_MAX];
	size_t len = dir_len(with);
	bool is_hidden = with[0] == '/' && with[len] == '/' && with[len + 1] == '.' && with[len + 2] != '.' && with[len + 2] != '\0';
	if (is_hidden && len == dir_len(file) && strncmp(with, file, len) == 0) {
		return true;
	}
	return is_hidden && realpath(file, target) && len == dir_len(target) && strncmp(with, target, len) == 0;
}

void admin_try(struct admin *ad, struct rt_reply reply, const json_t *args, const struct policy_look *look)
{
	const char *file = json_string_value(json_object_get(args, "file")), *with = json_string_value(json_object_get(args, "with"));
	const char *path = policy_config(ad->policy)->base.doc.file;
	char target[PATH_MAX];
	/* change files has told another name for it. */
	bool is_config = realpath(path, target) && strcmp(target, file) == 0;
	if (with && !admin_is_beside(with, file)) {
		rt_reply_fail(reply, "bad-request", "%.200s is no hidden file beside %.200s", with, file);
	} else {
		policy_try(ad->policy, is_config ? path : file, with, look, reply);
	}
}

void command_change_begin(struct rt_reply reply, const json_t *args, void *user)
{
	admin_try(user, reply, args, NULL);
}

void command_change_finish(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	bool is_busy = policy_is_reloading(ad->policy);
	if (!is_busy) { /* whoever asked asks again */
		policy_try_done(ad->policy, (uint64_t)json_integer_value(json_object_get(args, "id")));
	}
	policy_reload(ad->policy, reply);
}

void command_change_drop(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	policy_try_done(ad->policy, (uint64_t)json_integer_value(json_object_get(args, "id")));
	rt_reply_ok(reply, json_object());
}

/* Of the panel alone, which says itself who asks and from where. */
void command_change_carry(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	char path[CONFIG_WRITER_PATH_MAX];
	if (config_writer_path(policy_config(ad->policy), path) != XFED_OK) {
		rt_reply_fail(reply, "no-writer", "control_socket is too long for a writer's socket beside it");
	} else {
		writer_ask(&ad->errands, rt_loop_uv(ad->core->d.loop), path, json_copy((json_t *)(uintptr_t)args), reply);
	}
}
