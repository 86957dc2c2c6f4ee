# The machine image of a host: Amazon Linux 2023 with what packer/provision.sh installs, nothing of a repository
# and nothing that changes with a release of Eph (the agent is fetched at boot).
#
# `make ami-build` sets every variable; packer's own defaults would bake into whatever account and network happens to
# be configured.

variable "deployment_id" {
  type        = string
  description = "Mark of the deployment, on the image and on the machine that bakes it."
}

variable "region" {
  type = string
}

variable "subnet_id" {
  type        = string
  description = "A subnet with a way out; the stack's own has one."
}

variable "instance_type" {
  type        = string
  description = "Of the machine that bakes it; the subnet's zone must have it."
}

variable "inputs" {
  type        = string
  description = "Hash of everything the image is made of: an image with the same one need not be baked again."
}

variable "pins" {
  type        = string
  description = "File with the versions and checksums of what is installed, called pins.env."
}

variable "architecture" {
  type    = string
  default = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

locals {
  name = "eph-${var.deployment_id}-${var.architecture}-${substr(var.inputs, 0, 12)}-${formatdate("YYYYMMDDhhmmss", timestamp())}"
  tags = {
    "Name"           = "eph ${var.deployment_id} host"
    "eph:deployment" = var.deployment_id
    "eph:inputs"     = var.inputs
  }
}

# Amazon's own pointer to the newest image.
data "amazon-parameterstore" "amazon_linux" {
  name   = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
  region = var.region
}

source "amazon-ebs" "host" {
  region        = var.region
  source_ami    = data.amazon-parameterstore.amazon_linux.value
  instance_type = var.instance_type
  ami_name      = local.name

  subnet_id                   = var.subnet_id
  associate_public_ip_address = true
  ssh_username                = "ec2-user"
  # This is the only time at which a machine of Eph listens: ssh, while the image is baked, for this address only.
  temporary_security_group_source_public_ip = true

  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # The disk is small: a host's own disk is as large as the launch template says, and blocks are fetched on first use.
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = 8
    iops                  = 3000
    throughput            = 125
    encrypted             = true
    delete_on_termination = true
  }

  tags            = local.tags
  snapshot_tags   = local.tags
  run_tags        = local.tags
  run_volume_tags = local.tags
}

build {
  sources = ["source.amazon-ebs.host"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/eph"]
  }

  provisioner "file" {
    sources     = ["${path.root}/provision.sh", var.pins, "${path.root}/files", "${path.root}/../host/bootstrap.sh", "${path.root}/../host/eph-agent"]
    destination = "/tmp/eph/"
  }

  # The second call ends with the self-check, so an image that would not boot a host is never registered.
  provisioner "shell" {
    inline = [
      "sudo bash /tmp/eph/provision.sh /tmp/eph",
      "sudo bash /tmp/eph/provision.sh --seal",
    ]
  }

  post-processor "manifest" {
    output     = "${path.root}/manifest.json"
    strip_path = true
  }
}
