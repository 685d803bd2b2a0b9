// SPDX-License-Identifier: MIT
// A verdict, and the same with --redact: it may differ in the names alone.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "capture/task_cache.h"
#include "diagnose/diagnose.h"
#include "model/endpoint.h"
#include "model/known_program.h"
#include "redact/redactor.h"

namespace bindtrace {

class Verdict final : public Receiver {
  public:
    void meta(const Meta& /*meta*/) override {}
    void loss(const Loss& /*loss*/) override {}
    void event(const Event& event, const Context& context, const Findings* findings) override {
        last = diagnosis_.diagnose(event, context, *findings);
    }
    Conflict last;

  private:
    Diagnosis diagnosis_;
};

// What stands for what is put back, so that the words can be compared.
class Names {
  public:
    explicit Names(const Tokens& tokens) : tokens_(tokens) {}

    void add(const Event& event, const Context& context, const Findings& found) {
        add(owner_of(task_view(event, context)));
        add_address(event.addr_family, event.addr);
        add(event.sock);
        add(context.container != nullptr ? *context.container : ContainerFacts{});
        if (found.refusal) add(found.refusal->claimant);
        for (const Holder& holder : found.holders) {
            add(holder.raw.sock);
            add_path(holder.socket_cgroup_path.value_or(""));
            for (const auto& owner : {holder.process, holder.last_process})
                if (owner) add(*owner);
            for (const Owner& other : holder.others) add(other);
            add(holder.container);
            if (holder.published && holder.published->container_address)
                put(tokens_.address(*holder.published->container_address), *holder.published->container_address);
        }
        if (found.range)
            for (const RangeShare& share : found.range->shares)
                if (share.owner) add(*share.owner);
        for (const LocalAddress& local : found.local_addresses.value_or(std::vector<LocalAddress>())) {
            add_word("if", local.interface);
            add_word("if", local.vrf_name);
            add_address(local.family, local.address.data());
        }
    }

    std::string put_back(std::string text) const {
        for (const auto& [token, name] : names_)
            for (std::size_t at = text.find(token); at != std::string::npos; at = text.find(token, at + name.size()))
                text.replace(at, token.size(), name);
        return text;
    }

  private:
    void put(const std::string& token, std::string_view name) {
        if (token != name && !token.empty()) names_.emplace(token, name);
    }
    void add_word(std::string_view kind, std::string_view name) { put(tokens_.word(kind, name), name); }
    void add_exe(std::string_view exe) {
        const KnownProgram* known = known_program(exe.substr(exe.rfind('/') + 1));
        const std::string token = tokens_.word("exe", exe);
        put(known != nullptr ? token + "/" + std::string(known->word) : token, exe);
    }
    void add_path(std::string_view path) {
        for (std::size_t slash = 0; slash != std::string_view::npos; path.remove_prefix(slash + 1)) {
            slash = path.find('/');
            put(tokens_.cgroup_path(path.substr(0, slash)), path.substr(0, slash));
            if (slash == std::string_view::npos) return;
        }
    }
    void add_address(std::uint16_t family, const std::uint8_t* address) {
        alignas(8) std::uint8_t token[16];
        std::memcpy(token, address, sizeof(token));
        tokens_.replace_address(family, token);
        std::string before, after;
        append_address(before, family, address);
        append_address(after, family, token);
        put(after, before);
    }
    void add(const bt_sock& sock) {
        add_address(sock.family, sock.local_addr);
        add_address(sock.family, sock.remote_addr);
    }
    void add(const Owner& owner) {
        add_word("comm", {owner.task.comm, strnlen(owner.task.comm, sizeof(owner.task.comm))});
        add_word("user", owner.user.value_or(""));
        add_path(owner.cgroup_path.value_or(""));
        if (owner.process && owner.process->exe) add_exe(*owner.process->exe);
    }
    void add(const ContainerFacts& facts) {
        if (facts.container) {
            const std::string& id = facts.container->id;
            add_word("project", id.substr(0, id.find('_')));
            add_word("container", id.substr(id.find('_') + 1));
            add_word("container", id);
            add_word("container", facts.container->name.value_or(""));
        }
        if (!facts.pod) return;
        add_word("namespace", facts.pod->name_space.value_or(""));
        add_word("pod", facts.pod->name.value_or(""));
        add_word("container", facts.pod->container.value_or(""));
    }

    const Tokens& tokens_;
    std::map<std::string, std::string, std::less<>> names_;  // by token
};

// To be handed the failures of one story, in their order.
class RedactedVerdict {
  public:
    void expect_same(const std::string& what, const Event& event, const Context& context, const Findings& found) {
        plain_.event(event, context, &found);
        redactor_.event(event, context, &found);
        Names names(tokens_);
        names.add(event, context, found);
        const Conflict &plain = plain_.last, &redacted = redacted_.last;
        EXPECT_EQ(redacted.cause, plain.cause) << what;
        EXPECT_EQ(redacted.factors, plain.factors) << what;
        EXPECT_EQ(names.put_back(redacted.summary), plain.summary) << what;
        EXPECT_EQ(redacted.rule.has_value(), plain.rule.has_value()) << what;
        EXPECT_EQ(names.put_back(redacted.rule.value_or("")), plain.rule.value_or("")) << what;
        ASSERT_EQ(redacted.advice.size(), plain.advice.size()) << what;
        for (std::size_t i = 0; i < plain.advice.size(); ++i)
            EXPECT_EQ(names.put_back(redacted.advice[i]), plain.advice[i]) << what;
    }

    const Conflict& redacted() const { return redacted_.last; }

  private:
    const Tokens tokens_ = *Tokens::make();
    Verdict plain_, redacted_;
    Redactor redactor_{tokens_, redacted_};
};

}  // namespace bindtrace
