# Ansible
collection() { # NAME VERSION [DEPENDENCY]
    mkdir -p "$1/meta"
    printf '%s\n' 'namespace: shop' "name: $1" "version: $2" 'readme: README.md' 'authors: [somebody]' 'license: [MIT]' 'tags: [linux]' \
        'repository: https://example.com/one' "dependencies: {${3:+$3: '*'}}" >"$1/galaxy.yml"
    echo "# $1" >"$1/README.md"
    echo "requires_ansible: '>=2.16.0'" >"$1/meta/runtime.yml"
    ansible-galaxy collection build --force "$1" >/dev/null
}

#: A repository of collections
pulp ansible repository create --name galaxy
pulp ansible distribution create --name galaxy --base-path galaxy --repository galaxy
printf '%s\n' '[galaxy]' 'server_list = pulp' '[galaxy_server.pulp]' "url = $pulp/pulp_ansible/galaxy/galaxy/" 'username = admin' \
    "password = $PULP_PASSWORD" >ansible.cfg

#: ansible-galaxy publishes collections
collection base 1.0.0
collection tools 1.0.0 shop.base
ansible-galaxy collection publish shop-base-1.0.0.tar.gz
ansible-galaxy collection publish shop-tools-1.0.0.tar.gz

#: ansible-galaxy installs one, and what it depends on
ansible-galaxy collection install --collections-path "$PWD/installed" shop.tools
[ -e installed/ansible_collections/shop/base/MANIFEST.json ]
