# Ruby
gem_() { # VERSION
    printf '%s\n' 'Gem::Specification.new do |s|' '  s.name = "shop"' "  s.version = '$1'" '  s.summary = "a gem"' '  s.authors = ["somebody"]' \
        '  s.files = ["shop.rb"]' '  s.require_paths = ["."]' end >shop.gemspec
    echo "VERSION = '$1'" >shop.rb
    gem build --quiet shop.gemspec
}

#: A gem is uploaded
gem_ 1.0.0
pulp gem repository create --name gem
pulp gem content upload --file shop-1.0.0.gem --repository gem
pulp gem distribution create --name gem --base-path gem --publication "$(pulp gem publication create --repository gem | jq -r .pulp_href)"

#: gem installs it
gem install --quiet --no-document --clear-sources --source "$pulp/pulp/content/gem/" --install-dir out shop
[ -e out/gems/shop-1.0.0/shop.rb ]
